/** Security groups and their rules. Every project has one default group, made when it is first needed. */
import { randomUUID } from 'node:crypto'
import { sql, type Selectable } from 'kysely'
import { privileged, type Caller } from '../../openstack/caller.ts'
import { jsonRows, type DatabaseKind } from '../../openstack/json-column.ts'
import { filtered, paged, type Columns } from '../../openstack/page.ts'
import type { Db, NetworkContext } from '../context.ts'
import { formatCidr, parseCidr } from '../address.ts'
import { missing } from '../errors.ts'
import type { List } from '../list-query.ts'
import { tagsColumn } from './tags.ts'
import type { NetworkTables } from './tables.ts'

/** `rules` and `tags` are JSON. */
export type SecurityGroup = Selectable<NetworkTables['security_groups']> & {
  readonly rules: string
  readonly tags: string
}
export type Rule = Selectable<NetworkTables['security_group_rules']>

export interface DefaultRule {
  readonly direction: 'ingress' | 'egress'
  readonly ethertype: 'IPv4' | 'IPv6'
  /** `tcp`, `udp`, `icmp`; absent means any. */
  readonly protocol?: string
  readonly portRangeMin?: number
  readonly portRangeMax?: number
  readonly remoteIpPrefix?: string
}

export const RULE_COLUMNS = [
  'id', 'project_id', 'security_group_id', 'direction', 'ethertype', 'protocol', 'port_range_min', 'port_range_max',
  'remote_ip_prefix', 'remote_group_id', 'description', 'created_at', 'updated_at', 'revision',
] as const // prettier-ignore

/** The block that a rule's prefix lies in, however the prefix was written. */
export function normalizedCidr({ remote_ip_prefix: prefix }: Pick<Rule, 'remote_ip_prefix'>): string | null {
  const cidr = prefix === null ? undefined : parseCidr(prefix)
  return cidr ? formatCidr(cidr) : null
}

export const groupColumns: Columns = {
  id: { ref: 'security_groups.id', kind: 'text' },
  name: { ref: 'security_groups.name', kind: 'text' },
  description: { ref: 'security_groups.description', kind: 'text' },
  project_id: { ref: 'security_groups.project_id', kind: 'text' },
  tenant_id: { ref: 'security_groups.project_id', kind: 'text' },
  stateful: { ref: 'security_groups.stateful', kind: 'boolean' },
  revision_number: { ref: 'security_groups.revision', kind: 'number' },
}

export const ruleColumns: Columns = {
  id: { ref: 'security_group_rules.id', kind: 'text' },
  project_id: { ref: 'security_group_rules.project_id', kind: 'text' },
  tenant_id: { ref: 'security_group_rules.project_id', kind: 'text' },
  security_group_id: { ref: 'security_group_rules.security_group_id', kind: 'text' },
  direction: { ref: 'security_group_rules.direction', kind: 'text' },
  ethertype: { ref: 'security_group_rules.ethertype', kind: 'text' },
  protocol: { ref: 'security_group_rules.protocol', kind: 'text' },
  port_range_min: { ref: 'security_group_rules.port_range_min', kind: 'number' },
  port_range_max: { ref: 'security_group_rules.port_range_max', kind: 'number' },
  remote_ip_prefix: { ref: 'security_group_rules.remote_ip_prefix', kind: 'text' },
  remote_group_id: { ref: 'security_group_rules.remote_group_id', kind: 'text' },
  description: { ref: 'security_group_rules.description', kind: 'text' },
  revision_number: { ref: 'security_group_rules.revision', kind: 'number' },
}

const selectGroups = (db: Db, kind: DatabaseKind, caller: Caller) =>
  db
    .selectFrom('security_groups')
    .selectAll()
    .select([
      jsonRows(
        kind,
        RULE_COLUMNS,
        sql`select * from security_group_rules where security_group_id = security_groups.id order by created_at, id`,
      ).as('rules'),
      tagsColumn(kind, 'security_groups').as('tags'),
    ])
    .$if(!privileged(caller), (query) => query.where('security_groups.project_id', '=', caller.projectId))

export const findGroup = (db: Db, kind: DatabaseKind, caller: Caller, id: string): Promise<SecurityGroup | undefined> =>
  selectGroups(db, kind, caller).where('security_groups.id', '=', id).executeTakeFirst()

export async function listGroups(
  db: Db,
  kind: DatabaseKind,
  caller: Caller,
  list: List,
): Promise<readonly SecurityGroup[]> {
  const marker = list.marker === undefined ? undefined : await findGroup(db, kind, caller, list.marker)
  if (list.marker !== undefined && !marker) throw missing('SecurityGroup', list.marker)
  let query = filtered(selectGroups(db, kind, caller), groupColumns, list.filters)
  for (const condition of list.conditions) query = query.where(condition)
  return paged(query, groupColumns, list, marker && { ...marker }).execute()
}

const selectRules = (db: Db, caller: Caller) =>
  db
    .selectFrom('security_group_rules')
    .selectAll()
    .$if(!privileged(caller), (query) => query.where('security_group_rules.project_id', '=', caller.projectId))

export const findRule = (db: Db, caller: Caller, id: string): Promise<Rule | undefined> =>
  selectRules(db, caller).where('security_group_rules.id', '=', id).executeTakeFirst()

export async function listRules(db: Db, caller: Caller, list: List): Promise<readonly Rule[]> {
  const marker = list.marker === undefined ? undefined : await findRule(db, caller, list.marker)
  if (list.marker !== undefined && !marker) throw missing('SecurityGroupRule', list.marker)
  return paged(
    filtered(selectRules(db, caller), ruleColumns, list.filters),
    ruleColumns,
    list,
    marker && { ...marker },
  ).execute()
}

export function newRule(
  groupId: string,
  projectId: string,
  now: number,
  rule: Partial<Omit<Rule, 'direction' | 'ethertype'>> & Pick<Rule, 'direction' | 'ethertype'>,
): Rule {
  return {
    id: randomUUID(),
    project_id: projectId,
    security_group_id: groupId,
    direction: rule.direction,
    ethertype: rule.ethertype,
    protocol: rule.protocol ?? null,
    port_range_min: rule.port_range_min ?? null,
    port_range_max: rule.port_range_max ?? null,
    remote_ip_prefix: rule.remote_ip_prefix ?? null,
    remote_group_id: rule.remote_group_id ?? null,
    description: rule.description ?? '',
    created_at: now,
    updated_at: now,
    revision: 0,
  }
}

/** What every new group lets out. */
export const egressRules = (groupId: string, projectId: string, now: number): readonly Rule[] =>
  (['IPv4', 'IPv6'] as const).map((ethertype) => newRule(groupId, projectId, now, { direction: 'egress', ethertype }))

/** The id of the project's default group; made with its rules when it is missing. */
export async function defaultGroupId(db: Db, ctx: NetworkContext, projectId: string): Promise<string> {
  const known = await findDefaultGroup(db, projectId)
  if (known !== undefined) return known
  return db.isTransaction
    ? makeDefaultGroup(db, ctx, projectId)
    : db.transaction().execute((tx) => makeDefaultGroup(tx, ctx, projectId))
}

async function findDefaultGroup(db: Db, projectId: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('security_groups')
    .select('id')
    .where('project_id', '=', projectId)
    .where('is_default', '=', 1)
    .executeTakeFirst()
  return row?.id
}

/** Of two that make it at once, one does; both return its id. */
async function makeDefaultGroup(db: Db, ctx: NetworkContext, projectId: string): Promise<string> {
  const now = ctx.clock.now()
  const id = randomUUID()
  const made = await db
    .insertInto('security_groups')
    .values({
      id,
      project_id: projectId,
      name: 'default',
      description: 'Default security group',
      is_default: 1,
      stateful: 1,
      created_at: now,
      updated_at: now,
      revision: 1,
    })
    .onConflict((there) => there.doNothing())
    .returning('id')
    .executeTakeFirst()
  if (!made) return (await findDefaultGroup(db, projectId)) ?? id
  const own = (['IPv4', 'IPv6'] as const).map((ethertype) =>
    newRule(id, projectId, now, { direction: 'ingress', ethertype, remote_group_id: id }),
  )
  const extra = ctx.defaultGroupRules.map((rule) =>
    newRule(id, projectId, now, {
      direction: rule.direction,
      ethertype: rule.ethertype,
      protocol: rule.protocol ?? null,
      port_range_min: rule.portRangeMin ?? null,
      port_range_max: rule.portRangeMax ?? null,
      remote_ip_prefix: rule.remoteIpPrefix ?? null,
    }),
  )
  await db
    .insertInto('security_group_rules')
    .values([...egressRules(id, projectId, now), ...own, ...extra])
    .execute()
  return id
}
