/** Security groups and their rules, as the network service keeps them: until 2.35. Giving them to servers and taking them away has no end. */
import { z } from 'zod'
import type { Port } from '../../clients/neutron.ts'
import type { Server } from '../../domain/server.ts'
import type { Ctx } from '../context.ts'
import { ApiFault, badRequest, notFound } from '../faults.ts'
import { digits, once, uuid } from '../fields.ts'
import { networkService, type GroupBody, type RuleBody } from '../network-service.ts'
import { refreshPorts } from '../refresh-ports.ts'
import { foreseeing } from '../refused.ts'
import { get, post, put, remove } from '../resource.ts'
import { newRule, ownerOf, shownRule, type Group } from './security-group-rules.ts'
import type { PlainAction } from './server-action.ts'

type Owners = ReadonlyMap<string, Group>

/** The groups that rules name, and that the user sees. */
async function owners(ctx: Ctx, rules: readonly RuleBody[]): Promise<Owners> {
  const ids = [...new Set(rules.flatMap(({ remote_group_id: id }) => id ?? []))]
  const found = ids.length === 0 ? [] : await networkService(ctx).list('security-groups', { id: ids })
  return new Map(found.map((group) => [group.id, ownerOf(group)]))
}
const incoming = ({ security_group_rules: rules = [] }: GroupBody) =>
  rules.filter(({ direction }) => direction === 'ingress')

async function shown(ctx: Ctx, groups: readonly GroupBody[]) {
  const sources = await owners(ctx, groups.flatMap(incoming))
  return groups.map((group) => ({
    id: group.id,
    name: group.name,
    description: group.description ?? '',
    tenant_id: ownerOf(group).tenant_id,
    rules: incoming(group).flatMap((rule) => shownRule(rule, sources.get(rule.remote_group_id ?? '')) ?? []),
  }))
}
const shownOne = async (ctx: Ctx, group: GroupBody) => (await shown(ctx, [group]))[0]

function idOf({ params }: Ctx): string {
  const id = params['id'] ?? ''
  if (!uuid.safeParse(id).success) throw badRequest(`Invalid input received: Security group id should be uuid`)
  return id
}
const notThere = (id: string) => ({ 404: [404, `Security group ${id} not found.`] }) as const
const find = (ctx: Ctx, id: string) => foreseeing(notThere(id), networkService(ctx).show('security-groups', id))

const text = z.string().max(255)
const body = z.looseObject({ security_group: z.looseObject({ name: text, description: text }) })
const ruleBody = z.looseObject({
  security_group_rule: z.looseObject({ group_id: uuid.nullable().optional(), parent_group_id: uuid }),
})
const valuesOf = ({ security_group: { name, description } }: z.output<typeof body>) => ({ name, description })

async function createRule(ctx: Ctx, { security_group_rule: asked }: z.output<typeof ruleBody>) {
  const { parent_group_id: parent, group_id: source } = asked
  const group = await find(ctx, parent)
  if (source) await find(ctx, source)
  const rule = newRule(asked) as Partial<RuleBody>
  if (incoming(group).some((each) => isSame(each, rule)))
    throw badRequest(`This rule already exists in group ${parent}`)
  const foreseen = { '409 SecurityGroupRuleExists': 400, 400: 400, 409: 403, ...notThere(parent) } as const
  const made = await foreseeing(foreseen, networkService(ctx).create('security-group-rules', rule))
  return shownRule(made, (await owners(ctx, [made])).get(made.remote_group_id ?? ''))
}
const isSame = (one: RuleBody, other: Partial<RuleBody>): boolean =>
  (['protocol', 'port_range_min', 'port_range_max', 'remote_ip_prefix', 'remote_group_id', 'ethertype'] as const).every(
    (key) => (one[key] ?? null) === (other[key] ?? null),
  )

/** A group by id, whoever's the user sees, or by name in the caller's project. Errors: 404, 409. */
async function named(ctx: Ctx, name: string): Promise<string> {
  const { projectId } = ctx.caller
  const { list } = networkService(ctx)
  const [byId] = uuid.safeParse(name).success ? await list('security-groups', { id: name }) : []
  if (byId) return byId.id
  const [found, ...more] = await list('security-groups', { name, project_id: projectId })
  if (!found) throw notFound(`Security group ${name} is not found for project ${projectId}`)
  if (more.length > 0)
    throw new ApiFault(409, `Multiple security_group matches found for name '${name}', use an ID to be more specific.`)
  return found.id
}
async function portsOf({ neutron }: Ctx, server: Server): Promise<readonly Port[]> {
  const ports = await neutron.portsOf(server)
  if (ports.length === 0) throw notFound(`instance_id ${server.id} could not be found as device id on any ports`)
  return ports
}
const setGroups = (ctx: Ctx, port: Port, groups: readonly string[]) =>
  foreseeing({ 400: 400, 409: 409 }, networkService(ctx).update('ports', port.id, { security_groups: groups }))

async function add(ctx: Ctx, server: Server, name: string): Promise<void> {
  const id = await named(ctx, name)
  for (const port of await portsOf(ctx, server)) {
    if (!port.portSecurity || port.fixedIps.length === 0)
      throw badRequest(
        'Network requires port_security_enabled and subnet associated in order to apply security groups.',
      )
    await setGroups(ctx, port, [...new Set([...port.securityGroups, id])])
  }
}
async function take(ctx: Ctx, server: Server, name: string): Promise<void> {
  const id = await named(ctx, name)
  const ports = (await portsOf(ctx, server)).filter((port) => port.securityGroups.includes(id))
  if (ports.length === 0) throw notFound(`Security group ${name} not associated with the instance ${server.id}`)
  for (const port of ports)
    await setGroups(
      ctx,
      port,
      port.securityGroups.filter((group) => group !== id),
    )
}

const value = z.strictObject({
  name: z
    .string()
    .min(1)
    .refine((name) => name.trim() !== '', 'Security group name cannot be empty'),
})
const action = (policy: string, work: typeof add): PlainAction => ({
  policy,
  value,
  run: async (ctx, server, given) => {
    await work(ctx, server, value.parse(given).name)
    await refreshPorts(ctx, server)
    return { status: 202 }
  },
})
export const addSecurityGroup = action('os_compute_api:os-security-groups:add', add)
export const removeSecurityGroup = action('os_compute_api:os-security-groups:remove', take)

const capped = { until: '2.35' } as const
const path = '/os-security-groups'
const wrap = (group: unknown) => ({ security_group: group })

export const securityGroups = [
  get(path, {
    ...capped,
    policy: 'os_compute_api:os-security-groups:get',
    query: z.object({ limit: once(digits), offset: once(digits), all_tenants: once(z.string()) }),
    run: async (ctx, { query: { limit, offset = 0, all_tenants: all } }) => {
      const everywhere = all !== undefined && ctx.caller.isAdmin
      const query = everywhere ? {} : { project_id: ctx.caller.projectId }
      const found = await networkService(ctx).list('security-groups', query)
      const most = Math.min(limit || ctx.config.api.max_limit, ctx.config.api.max_limit)
      return (await shown(ctx, found.slice(offset, offset + most))).toSorted((a, b) =>
        a.tenant_id === b.tenant_id ? (a.name < b.name ? -1 : 1) : a.tenant_id < b.tenant_id ? -1 : 1,
      )
    },
    view: (groups) => ({ security_groups: groups }),
  }),
  post(path, {
    ...capped,
    policy: 'os_compute_api:os-security-groups:create',
    body,
    run: async (ctx, { body: asked }) =>
      shownOne(
        ctx,
        await foreseeing({ 400: 400, 409: 403 }, networkService(ctx).create('security-groups', valuesOf(asked))),
      ),
    view: wrap,
  }),
  get(`${path}/:id`, {
    ...capped,
    policy: 'os_compute_api:os-security-groups:show',
    run: async (ctx) => shownOne(ctx, await find(ctx, idOf(ctx))),
    view: wrap,
  }),
  put(`${path}/:id`, {
    ...capped,
    policy: 'os_compute_api:os-security-groups:update',
    body,
    run: async (ctx, { body: asked }) => {
      const { id } = await find(ctx, idOf(ctx))
      const foreseen = { 400: 400, 409: 400, ...notThere(id) } as const
      return shownOne(
        ctx,
        await foreseeing(foreseen, networkService(ctx).update('security-groups', id, valuesOf(asked))),
      )
    },
    view: wrap,
  }),
  remove(`${path}/:id`, {
    ...capped,
    policy: 'os_compute_api:os-security-groups:delete',
    status: 202,
    run: async (ctx) => {
      const { id } = await find(ctx, idOf(ctx))
      await foreseeing({ 409: 400, ...notThere(id) }, networkService(ctx).remove('security-groups', id))
    },
  }),
  post('/os-security-group-rules', {
    ...capped,
    policy: 'os_compute_api:os-security-groups:rule:create',
    body: ruleBody,
    run: (ctx, { body: asked }) => createRule(ctx, asked),
    view: (rule) => ({ security_group_rule: rule }),
  }),
  remove('/os-security-group-rules/:id', {
    ...capped,
    policy: 'os_compute_api:os-security-groups:rule:delete',
    status: 202,
    run: async (ctx) => {
      const id = idOf(ctx)
      const { show, remove: drop } = networkService(ctx)
      const unknown = { 404: [404, `Security group rule ${id} not found.`] } as const
      await foreseeing(unknown, show('security-group-rules', id))
      await foreseeing(unknown, drop('security-group-rules', id))
    },
  }),
]
