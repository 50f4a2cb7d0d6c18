/** `/v2.0/security-group-rules`: made and removed, never changed; the same rule is not made twice. */
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Caller } from '../../openstack/caller.ts'
import { parseAddress, parseCidr } from '../address.ts'
import type { Db, NetworkContext } from '../context.ts'
import { invalid, missing, ruleExists, rulesOfSeveralGroups, ruleTwice } from '../errors.ts'
import { parseList } from '../list-query.ts'
import { mustFit } from '../store/quotas.ts'
import {
  findGroup,
  findRule,
  listRules,
  newRule,
  normalizedCidr,
  ruleColumns,
  type Rule,
} from '../store/security-groups.ts'
import { ruleView } from '../views.ts'
import { crudRoutes } from './crud.ts'
import { bodyOf, project, text } from './fields.ts'
import { protocolNumber, protocolOf, rangeOf } from './rule-protocol.ts'

const number = z.coerce.number().int().min(0).max(65_535).nullish()
const ethertype = z
  .string()
  .transform((value) => (/^ipv[46]$/i.test(value) ? `IPv${value.at(-1)}` : value))
  .pipe(z.enum(['IPv4', 'IPv6']))
const creation = z.strictObject({
  security_group_id: text,
  direction: z.enum(['ingress', 'egress']),
  ethertype: ethertype.default('IPv4'),
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

/** As it was given; a single address is a whole prefix. */
function prefixOf({ remote_ip_prefix: given, ethertype: version }: Creation): string | null {
  if (given === undefined || given === null || given === '') return null
  const whole = given.includes('/') ? given : `${given}/${parseAddress(given)?.version === 6 ? 128 : 32}`
  const cidr = parseCidr(whole)
  if (!cidr) throw invalid(`'${given}' is not a valid IP prefix`)
  if (`IPv${cidr.version}` !== version) throw invalid(`Conflicting value ethertype ${version} for CIDR ${given}`)
  return whole
}

const EVERYWHERE = new Set(['0.0.0.0/0', '::/0', null])

/** Two rules with the same text let the same through. */
const meaningOf = (rule: Rule): string =>
  JSON.stringify([
    rule.direction,
    rule.ethertype,
    rule.protocol === null ? null : protocolNumber(rule.protocol),
    rule.port_range_min,
    rule.port_range_max,
    EVERYWHERE.has(normalizedCidr(rule)) ? null : normalizedCidr(rule),
    rule.remote_group_id,
  ])

export function securityGroupRuleRoutes(app: FastifyInstance, ctx: NetworkContext): void {
  const { kysely, kind } = ctx.database

  const visible = async (caller: Caller, id: string): Promise<Rule> => {
    const rule = await findRule(kysely, caller, id)
    if (!rule) throw missing('SecurityGroupRule', id)
    return rule
  }

  /** Errors: 400, 404. */
  const checked = async (db: Db, caller: Caller, wanted: Creation): Promise<Rule> => {
    const protocol = protocolOf(wanted.protocol, wanted.ethertype)
    const range = rangeOf(protocol, {
      port_range_min: wanted.port_range_min ?? null,
      port_range_max: wanted.port_range_max ?? null,
    })
    if (wanted.remote_ip_prefix && wanted.remote_group_id)
      throw invalid('Only one of remote_ip_prefix or remote_group_id may be provided')
    const group = await findGroup(db, kind, caller, wanted.security_group_id)
    if (!group) throw missing('SecurityGroup', wanted.security_group_id)
    if (wanted.remote_group_id && !(await findGroup(db, kind, caller, wanted.remote_group_id)))
      throw missing('SecurityGroup', wanted.remote_group_id)
    return newRule(group.id, group.project_id, ctx.clock.now(), {
      direction: wanted.direction,
      ethertype: wanted.ethertype,
      protocol,
      ...range,
      remote_ip_prefix: prefixOf(wanted),
      remote_group_id: wanted.remote_group_id ?? null,
      description: wanted.description ?? '',
    })
  }

  /** All or none; they are of one group. */
  const createAll = async (caller: Caller, all: readonly Creation[]): Promise<readonly Rule[]> => {
    const rules = await kysely.transaction().execute(async (tx) => {
      const added: Rule[] = []
      for (const wanted of all) added.push(await checked(tx, caller, wanted))
      const [first] = added
      if (!first) return added
      if (added.some((rule) => rule.security_group_id !== first.security_group_id)) throw rulesOfSeveralGroups()
      // Holds the group's row, so that two cannot both find their rule missing.
      const { numUpdatedRows } = await tx
        .updateTable('security_groups')
        .set((eb) => ({ revision: eb('revision', '+', 1) }))
        .where('id', '=', first.security_group_id)
        .executeTakeFirst()
      if (numUpdatedRows === 0n) throw missing('SecurityGroup', first.security_group_id)
      const others = await tx
        .selectFrom('security_group_rules')
        .selectAll()
        .where('security_group_id', '=', first.security_group_id)
        .execute()
      const known = new Map(others.map((rule) => [meaningOf(rule), rule.id]))
      for (const rule of added) {
        const twin = known.get(meaningOf(rule))
        if (twin !== undefined) throw added.some(({ id }) => id === twin) ? ruleTwice() : ruleExists(twin)
        known.set(meaningOf(rule), rule.id)
        await mustFit(tx, kind, rule.project_id, 'security_group_rule')
        await tx.insertInto('security_group_rules').values(rule).execute()
      }
      return added
    })
    ctx.changes.note('rules', new Set(rules.map((rule) => rule.security_group_id)))
    return rules
  }
  const wantedOf = (body: unknown): Creation => bodyOf('security_group_rule', creation, body)

  crudRoutes(app, ctx, {
    path: '/v2.0/security-group-rules',
    one: 'security_group_rule',
    many: 'security_group_rules',
    parseList: (query) => parseList(query, 'security_group_rules', ruleColumns),
    list: async (caller, list) => (await listRules(kysely, caller, list)).map(ruleView),
    show: async (caller, id) => ruleView(await visible(caller, id)),
    create: async (caller, body) => {
      const [rule] = await createAll(caller, [wantedOf(body)])
      if (!rule) throw missing('SecurityGroupRule', '')
      return ruleView(rule)
    },
    createMany: async (caller, bodies) =>
      (
        await createAll(
          caller,
          bodies.map((rule) => wantedOf({ security_group_rule: rule })),
        )
      ).map(ruleView),

    remove: async (caller, id) => {
      const rule = await visible(caller, id)
      await kysely.transaction().execute(async (tx) => {
        const { numDeletedRows } = await tx.deleteFrom('security_group_rules').where('id', '=', id).executeTakeFirst()
        if (numDeletedRows === 0n) throw missing('SecurityGroupRule', id)
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
