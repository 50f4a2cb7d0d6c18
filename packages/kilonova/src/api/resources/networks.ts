/** Networks that the user sees, in the shapes they had before the network service kept them; until 2.35. */
import type { Ctx } from '../context.ts'
import { networkService, type NetworkBody } from '../network-service.ts'
import { foreseeing } from '../refused.ts'
import { get } from '../resource.ts'

/** What was known of networks of our own: nobody has any more, so it is null. */
const FORMER = [
  'cidr',
  'netmask',
  'gateway',
  'broadcast',
  'dns1',
  'dns2',
  'cidr_v6',
  'gateway_v6',
  'netmask_v6',
] as const
const FORMER_OF_ADMINS = [
  'created_at',
  'updated_at',
  'deleted_at',
  'deleted',
  'injected',
  'bridge',
  'vlan',
  'vpn_public_address',
  'vpn_public_port',
  'vpn_private_address',
  'dhcp_start',
  'project_id',
  'host',
  'bridge_interface',
  'multi_host',
  'priority',
  'rxtx_base',
  'mtu',
  'dhcp_server',
  'enable_dhcp',
  'share_address',
] as const

const shown = ({ caller }: Ctx, { id, name }: NetworkBody) => ({
  id,
  label: name,
  ...Object.fromEntries([...FORMER, ...(caller.isAdmin ? FORMER_OF_ADMINS : [])].map((key) => [key, null])),
})
const shownToTenant = (_ctx: Ctx, { id, name }: NetworkBody) => ({ id, cidr: 'None', label: name })

const all = (ctx: Ctx) => networkService(ctx).list('networks')
const find = (ctx: Ctx) =>
  foreseeing({ 404: [404, 'Network not found'] }, networkService(ctx).show('networks', ctx.params['id'] ?? ''))

const kinds = [
  ['/os-networks', 'os_compute_api:os-networks', shown],
  ['/os-tenant-networks', 'os_compute_api:os-tenant-networks', shownToTenant],
] as const

export const networks = kinds.flatMap(([path, rule, show]) => [
  get(path, {
    until: '2.35',
    policy: `${rule}:list`,
    run: async (ctx) => (await all(ctx)).map((network) => show(ctx, network)),
    view: (found) => ({ networks: found }),
  }),
  get(`${path}/:id`, {
    until: '2.35',
    policy: `${rule}:show`,
    run: async (ctx) => show(ctx, await find(ctx)),
    view: (network) => ({ network }),
  }),
])
