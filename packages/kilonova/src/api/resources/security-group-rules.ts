/** Rules of security groups in the shape they had before the network service kept them: incoming ones alone. Upstream: nova/network/security_group_api.py. */
import { z } from 'zod'
import { badRequest } from '../faults.ts'
import type { GroupBody, RuleBody } from '../network-service.ts'

export interface Group {
  readonly name: string
  readonly tenant_id: string
}
export const ownerOf = ({ name, project_id: project, tenant_id: tenant }: GroupBody): Group => ({
  name,
  tenant_id: project ?? tenant ?? '',
})

/** Null where no range was said stands for all of a protocol's ports. */
function rangeOf({
  protocol,
  port_range_min: from,
  port_range_max: to,
}: RuleBody): readonly [number | null, number | null] {
  if (protocol === null || from !== null || to !== null) return [from, to]
  return ['TCP', 'UDP'].includes(protocol.toUpperCase()) ? [1, 65_535] : [-1, -1]
}

/** `source`: the group that a rule names; one that is not to be seen hides the rule. */
export function shownRule(rule: RuleBody, source: Group | undefined): object | undefined {
  const [from, to] = rangeOf(rule)
  if (rule.remote_group_id !== null && !source) return undefined
  return {
    id: rule.id,
    parent_group_id: rule.security_group_id,
    ip_protocol: rule.protocol,
    from_port: from,
    to_port: to,
    group: source ?? {},
    ip_range: source ? {} : { cidr: rule.remote_ip_prefix ?? '0.0.0.0/0' },
  }
}

const CIDR = z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()])
const MAX_PORT = 65_535
const MAX_ICMP = 255

interface Asked {
  readonly parent_group_id: string
  readonly group_id?: string | null | undefined
  readonly to_port?: unknown
  readonly from_port?: unknown
  readonly ip_protocol?: unknown
  readonly cidr?: unknown
}
const number = (value: unknown): number =>
  typeof value === 'number'
    ? value
    : typeof value === 'string' && /^-?\d{1,9}$/.test(value)
      ? Number(value)
      : Number.NaN
const portError = (from: unknown, to: unknown, why: string) =>
  badRequest(`Invalid port range ${String(from)}:${String(to)}. ${why}`)

/** Errors: 400 with upstream's reasons. */
function portsOf(protocol: string, from: unknown, to: unknown): readonly [number, number] {
  const [least, most, kind] = [number(from), number(to), protocol.toUpperCase()]
  if (!Number.isInteger(least) || !Number.isInteger(most))
    throw badRequest(
      `Invalid input received: ${kind === 'ICMP' ? 'Type and Code must be integers for ICMP protocol type' : 'To and From ports must be integers'}`,
    )
  if (!['TCP', 'UDP', 'ICMP'].includes(kind)) throw badRequest(`Invalid IP protocol ${protocol}`)
  if (kind === 'ICMP') {
    if (Math.min(least, most) < -1 || Math.max(least, most) > MAX_ICMP)
      throw portError(from, to, 'For ICMP, the type:code must be valid')
    return [least, most]
  }
  if (least > most) throw portError(from, to, 'Former value cannot be greater than the later')
  if (least < 1 || most > MAX_PORT) throw portError(from, to, `Valid ${kind} ports should be between 1-65535`)
  return [least, most]
}

/** A rule as the network service takes it. Errors: 400. */
export function newRule({ parent_group_id: parent, group_id: group, ...asked }: Asked): object {
  const protocol = asked.ip_protocol === undefined || asked.ip_protocol === null ? '' : String(asked.ip_protocol)
  let [from, to] = [asked.from_port ?? undefined, asked.to_port ?? undefined]
  if (group && from === undefined && to === undefined) {
    // Of another group everything is let in, unless something is said.
    if (protocol.toUpperCase() === 'ICMP') [from, to] = [-1, -1]
    if (['TCP', 'UDP'].includes(protocol.toUpperCase())) [from, to] = [1, MAX_PORT]
  }
  const cidr = cidrOf(group ? undefined : asked.cidr)
  const ranged = protocol !== '' && from !== undefined && to !== undefined
  if (!ranged && !group) throw badRequest('Not enough parameters to build a valid rule.')
  const [least, most] = ranged ? portsOf(protocol, from, to) : [-1, -1]
  return {
    security_group_id: parent,
    direction: 'ingress',
    ethertype: !group && cidr.includes(':') ? 'IPv6' : 'IPv4',
    ...(ranged ? { protocol: protocol.toLowerCase() } : {}),
    ...(least === -1 ? {} : { port_range_min: least }),
    ...(most === -1 ? {} : { port_range_max: most }),
    ...(group ? { remote_group_id: group } : { remote_ip_prefix: cidr }),
  }
}

function cidrOf(given: unknown): string {
  if (given === undefined || given === null || given === '') return '0.0.0.0/0'
  const text = decoded(String(given))
  if (!CIDR.safeParse(text).success) throw badRequest(`Invalid cidr ${text}.`)
  const [net = '', prefix] = text.split('/')
  if (prefix === '0' && net !== '0.0.0.0' && net !== '::') throw badRequest(`Bad prefix for network in cidr ${text}`)
  return text
}
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw badRequest(`Invalid cidr ${text}.`)
  }
}
