/** `/v2.0/security-group-rules`: made and removed, never changed; the same rule is not made twice. */
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Caller } from '../../openstack/caller.ts'
import { formatCidr, parseAddress, parseCidr } from '../address.ts'
import type { NetworkContext } from '../context.ts'
import { invalid, missing, ruleExists } from '../errors.ts'
import { parseList } from '../list-query.ts'
import { mustFit } from '../store/quotas.ts'
import { findGroup, findRule, listRules, newRule, ruleColumns, type Rule } from '../store/security-groups.ts'
import { ruleView } from '../views.ts'
import { crudRoutes } from './crud.ts'
import { bodyOf, project, text } from './fields.ts'

const PROTOCOLS = new Set([
  'ah', 'dccp', 'egp', 'esp', 'gre', 'icmp', 'icmpv6', 'igmp', 'ipip', 'ipv6-encap', 'ipv6-frag', 'ipv6-icmp',
  'ipv6-nonxt', 'ipv6-opts', 'ipv6-route', 'ospf', 'pgm', 'rsvp', 'sctp', 'tcp', 'udp', 'udplite', 'vrrp',
]) // prettier-ignore
const NUMBERS = new Map([['1', 'icmp'], ['6', 'tcp'], ['17', 'udp'], ['58', 'ipv6-icmp']]) // prettier-ignore
const WITH_PORTS = new Set(['tcp', 'udp', 'sctp', 'dccp', 'udplite'])
const WITH_TYPES = new Set(['icmp', 'icmpv6', 'ipv6-icmp'])

const number = z.coerce.number().int().min(0).max(65_535).nullish()
const creation = z.strictObject({
  security_group_id: text,
  direction: z.enum(['ingress', 'egress']),
  ethertype: z.enum(['IPv4', 'IPv6']).default('IPv4'),
  protocol: z.union([z.string().max(40), z.int().min(0).max(255)]).nullish(),
  port_range_min: number,
  port_range_max: number,
  remote_ip_prefix: z.string().max(64).nullish(),
  remote_group_id: text.nullish(),
  remote_address_group_id: z.null().optional(),
  description: text.optional(),
  project_id: project,
  tenant_id: project,
})
type Creation = z.output<typeof creation>

function protocolOf(given: Creation['protocol']): string | null {
  if (given === undefined || given === null || given === 'any') return null
  const name = String(given).toLowerCase()
  if (NUMBERS.has(name)) return NUMBERS.get(name) ?? null
  if (PROTOCOLS.has(name) || (/^\d{1,3}$/.test(name) && Number(name) <= 255)) return name
  throw invalid(`Security group rule protocol ${name} not supported`)
}

function mustFitPorts(protocol: string | null, { port_range_min: min, port_range_max: max }: Creation): void {
  const none = (value: number | null | undefined) => value === undefined || value === null
  if (none(min) && none(max)) return
  if (protocol === null || (!WITH_PORTS.has(protocol) && !WITH_TYPES.has(protocol)))
    throw invalid('port_range_min and port_range_max need a protocol that has ports')
  if (WITH_TYPES.has(protocol)) {
    if (none(min) || (min ?? 0) > 255 || (max ?? 0) > 255)
      throw invalid('an ICMP type and code are numbers from 0 to 255, and a code needs a type')
  } else if (none(min) || none(max) || (min ?? 0) > (max ?? 0))
    throw invalid('For TCP/UDP protocols, port_range_min must be <= port_range_max')
}

/** Canonical text of the prefix; a single address is a whole prefix. */
function prefixOf({ remote_ip_prefix: given, ethertype }: Creation): string | null {
  if (given === undefined || given === null || given === '') return null
  const cidr = parseCidr(given.includes('/') ? given : `${given}/${parseAddress(given)?.version === 6 ? 128 : 32}`)
  if (!cidr) throw invalid(`'${given}' is not a valid IP prefix`)
  if (`IPv${cidr.version}` !== ethertype) throw invalid(`Conflicting value ethertype ${ethertype} for CIDR ${given}`)
  return formatCidr(cidr)
}

const SAME = [
  'direction',
  'ethertype',
  'protocol',
  'port_range_min',
  'port_range_max',
  'remote_ip_prefix',
  'remote_group_id',
] as const

export function securityGroupRuleRoutes(app: FastifyInstance, ctx: NetworkContext): void {
  const { kysely, kind } = ctx.database

  const visible = async (caller: Caller, id: string): Promise<Rule> => {
    const rule = await findRule(kysely, caller, id)
    if (!rule) throw missing('SecurityGroupRule', id)
    return rule
  }

  crudRoutes(app, ctx, {
    path: '/v2.0/security-group-rules',
    one: 'security_group_rule',
    many: 'security_group_rules',
    parseList: (query) => parseList(query, 'security_group_rules', ruleColumns),
    list: async (caller, list) => (await listRules(kysely, caller, list)).map(ruleView),
    show: async (caller, id) => ruleView(await visible(caller, id)),

    create: async (caller, body) => {
      const wanted = bodyOf('security_group_rule', creation, body)
      const protocol = protocolOf(wanted.protocol)
      mustFitPorts(protocol, wanted)
      if (wanted.remote_ip_prefix && wanted.remote_group_id)
        throw invalid('Only remote_ip_prefix or remote_group_id may be provided')
      const group = await findGroup(kysely, kind, caller, wanted.security_group_id)
      if (!group) throw missing('SecurityGroup', wanted.security_group_id)
      if (wanted.remote_group_id && !(await findGroup(kysely, kind, caller, wanted.remote_group_id)))
        throw missing('SecurityGroup', wanted.remote_group_id)
      const rule = newRule(group.id, group.project_id, ctx.clock.now(), {
        direction: wanted.direction,
        ethertype: wanted.ethertype,
        protocol,
        port_range_min: wanted.port_range_min ?? null,
        port_range_max: wanted.port_range_max ?? null,
        remote_ip_prefix: prefixOf(wanted),
        remote_group_id: wanted.remote_group_id ?? null,
        description: wanted.description ?? '',
      })
      await kysely.transaction().execute(async (tx) => {
        await tx
          .updateTable('security_groups')
          .set((eb) => ({ revision: eb('revision', '+', 1) }))
          .where('id', '=', group.id)
          .execute()
        await mustFit(tx, kind, group.project_id, 'security_group_rule')
        const others = await tx
          .selectFrom('security_group_rules')
          .selectAll()
          .where('security_group_id', '=', group.id)
          .execute()
        const twin = others.find((other) => SAME.every((name) => other[name] === rule[name]))
        if (twin) throw ruleExists(twin.id)
        await tx.insertInto('security_group_rules').values(rule).execute()
      })
      ctx.changes.note('rules', [group.id])
      return ruleView(rule)
    },

    remove: async (caller, id) => {
      const rule = await visible(caller, id)
      await kysely.transaction().execute(async (tx) => {
        await tx.deleteFrom('security_group_rules').where('id', '=', id).execute()
        await tx
          .updateTable('security_groups')
          .set((eb) => ({ revision: eb('revision', '+', 1) }))
          .where('id', '=', rule.security_group_id)
          .execute()
      })
      ctx.changes.note('rules', [rule.security_group_id])
    },
  })
}
