/** What a port's body may say, and the columns it becomes. */
import { z } from 'zod'
import { formatAddress, formatCidr, parseAddress, parseCidr } from '../address.ts'
import { addressPairTwice, invalid, tooManyPairs } from '../errors.ts'
import { address, flag, mac, project, tags, text } from './fields.ts'

const unicastMac = mac.refine((value) => (Number.parseInt(value.slice(1, 2), 16) & 1) === 0 && !/^[0:]+$/.test(value), {
  error: 'is not the MAC address of one interface',
})
const HOST_NAME = /^[a-z\d]([a-z\d-]{0,61}[a-z\d])?(\.[a-z\d]([a-z\d-]{0,61}[a-z\d])?)*\.?$/i

const pair = z.strictObject({
  ip_address: z
    .string()
    .max(64)
    .refine((value) => parseAddress(value) !== undefined || parseCidr(value) !== undefined, {
      error: 'is not a valid IP address or block',
    }),
  mac_address: mac.optional(),
})
const dhcpOption = z.strictObject({
  opt_name: text.min(1),
  opt_value: text.nullable(),
  ip_version: z.coerce.number().pipe(z.union([z.literal(4), z.literal(6)])).default(4), // prettier-ignore
})
export type DhcpOption = z.output<typeof dhcpOption>

const changeable = {
  name: text.optional(),
  description: text.optional(),
  admin_state_up: flag.optional(),
  device_id: text.optional(),
  device_owner: text.optional(),
  fixed_ips: z
    .array(z.strictObject({ subnet_id: text.optional(), ip_address: address.optional() }))
    .max(20)
    .optional(),
  security_groups: z.array(text).max(50).nullish(),
  port_security_enabled: flag.optional(),
  allowed_address_pairs: z.array(pair).max(1000).nullish(),
  extra_dhcp_opts: z.array(dhcpOption).max(50).nullish(),
  dns_name: text
    .refine((value) => value === '' || HOST_NAME.test(value), { error: 'is not a valid host name' })
    .optional(),
  mac_address: unicastMac.optional(),
  'binding:host_id': text.nullish(),
  'binding:vnic_type': z
    .enum(['normal', 'direct', 'direct-physical', 'macvtap', 'baremetal', 'vdpa', 'remote-managed'])
    .optional(),
  'binding:profile': z.record(z.string(), z.unknown()).nullish(),
}
export const portChanges = z.strictObject(changeable)
export const portCreation = z.strictObject({
  ...changeable,
  network_id: text,
  project_id: project,
  tenant_id: project,
  tags: tags.optional(),
})
export type PortChanges = z.output<typeof portChanges>
export type PortCreation = z.output<typeof portCreation>

const MAX_PAIRS = 10

/** In canonical form, with the port's own MAC where none is named. Errors: 400, 409. */
export function pairsOf(wanted: PortChanges['allowed_address_pairs'], portMac: string): string {
  if (!wanted) return '[]'
  if (wanted.length > MAX_PAIRS) throw tooManyPairs(MAX_PAIRS)
  const pairs = wanted.map(({ ip_address: given, mac_address: own = portMac }) => {
    const [single, block] = [parseAddress(given), parseCidr(given)]
    return {
      ip_address: single ? formatAddress(single) : block ? formatCidr(block) : given,
      mac_address: own,
    }
  })
  const seen = new Set(pairs.map((each) => JSON.stringify(each)))
  if (seen.size < pairs.length) throw addressPairTwice()
  return JSON.stringify(pairs)
}

/** Options of the same name and version replace those of before; one without a value goes. */
export function dhcpOptionsOf(before: readonly DhcpOption[], wanted: PortChanges['extra_dhcp_opts']): string {
  const named = new Map(before.map((option) => [`${option.ip_version} ${option.opt_name}`, option]))
  for (const option of wanted ?? []) {
    if (option.opt_name.includes('\n') || option.opt_value?.includes('\n'))
      throw invalid('a DHCP option is written on one line')
    const key = `${option.ip_version} ${option.opt_name}`
    if (option.opt_value === null) named.delete(key)
    else named.set(key, option)
  }
  return JSON.stringify([...named.values()])
}

/** The columns that a change names and that need nothing else. */
export const columnsOf = (wanted: PortChanges) => ({
  ...(wanted.name === undefined ? {} : { name: wanted.name }),
  ...(wanted.description === undefined ? {} : { description: wanted.description }),
  ...(wanted.admin_state_up === undefined ? {} : { admin_state_up: Number(wanted.admin_state_up) }),
  ...(wanted.device_id === undefined ? {} : { device_id: wanted.device_id }),
  ...(wanted.device_owner === undefined ? {} : { device_owner: wanted.device_owner }),
  ...(wanted['binding:host_id'] === undefined ? {} : { host_id: wanted['binding:host_id'] ?? '' }),
  ...(wanted['binding:vnic_type'] === undefined ? {} : { vnic_type: wanted['binding:vnic_type'] }),
  ...(wanted['binding:profile'] === undefined ? {} : { profile: JSON.stringify(wanted['binding:profile'] ?? {}) }),
  ...(wanted.port_security_enabled === undefined
    ? {}
    : { port_security_enabled: Number(wanted.port_security_enabled) }),
  ...(wanted.dns_name === undefined ? {} : { dns_name: wanted.dns_name }),
})
