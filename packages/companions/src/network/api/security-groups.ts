/** `/v2.0/security-groups`: the default group of a project is there whenever it is looked for, and stays. */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Caller } from '../../openstack/caller.ts'
import { projectFor, type Db, type NetworkContext } from '../context.ts'
import {
  changedMeanwhile,
  defaultGroup,
  defaultGroupExists,
  defaultGroupStays,
  groupInUse,
  missing,
} from '../errors.ts'
import { parseList } from '../list-query.ts'
import { mustFit } from '../store/quotas.ts'
import {
  defaultGroupId,
  egressRules,
  findGroup,
  groupColumns,
  listGroups,
  type SecurityGroup,
} from '../store/security-groups.ts'
import { addTags, removeTags } from '../store/tags.ts'
import { groupView } from '../views.ts'
import { crudRoutes } from './crud.ts'
import { bodyOf, flag, project, tags, text } from './fields.ts'
import { mustMayTag } from './reserved-tags.ts'

const changes = z.strictObject({ name: text.optional(), description: text.optional(), stateful: flag.optional() })
const creation = z.strictObject({
  name: text,
  description: text.optional(),
  stateful: flag.optional(),
  project_id: project,
  tenant_id: project,
  tags: tags.optional(),
})

export function securityGroupRoutes(app: FastifyInstance, ctx: NetworkContext): void {
  const { kysely, kind } = ctx.database

  const visible = async (caller: Caller, id: string): Promise<SecurityGroup> => {
    const group = await findGroup(kysely, kind, caller, id)
    if (!group) throw missing('SecurityGroup', id)
    return group
  }

  /** Errors: 409 while a port has the group. */
  const mustBeUnused = async (tx: Db, id: string): Promise<void> => {
    const port = await tx
      .selectFrom('port_security_groups')
      .select('port_id')
      .where('security_group_id', '=', id)
      .limit(1)
      .executeTakeFirst()
    if (port) throw groupInUse(id)
  }

  crudRoutes(app, ctx, {
    path: '/v2.0/security-groups',
    one: 'security_group',
    many: 'security_groups',
    parseList: (query) => parseList(query, 'security_groups', groupColumns),
    list: async (caller, list) => {
      await defaultGroupId(kysely, ctx, caller.projectId)
      return (await listGroups(kysely, kind, caller, list)).map(groupView)
    },
    show: async (caller, id) => groupView(await visible(caller, id)),

    create: async (caller, body) => {
      const wanted = bodyOf('security_group', creation, body)
      mustMayTag(caller, wanted.tags)
      if (wanted.name.toLowerCase() === 'default') throw defaultGroupExists()
      const projectId = projectFor(caller, wanted)
      const now = ctx.clock.now()
      const id = randomUUID()
      await kysely.transaction().execute(async (tx) => {
        await mustFit(tx, kind, projectId, 'security_group')
        await defaultGroupId(tx, ctx, projectId)
        await tx
          .insertInto('security_groups')
          .values({
            id,
            project_id: projectId,
            name: wanted.name,
            description: wanted.description ?? '',
            is_default: 0,
            stateful: Number(wanted.stateful ?? true),
            created_at: now,
            updated_at: now,
            revision: 1,
          })
          .execute()
        await tx
          .insertInto('security_group_rules')
          .values([...egressRules(id, projectId, now)])
          .execute()
        await addTags(tx, id, wanted.tags ?? [])
      })
      return groupView(await visible(caller, id))
    },

    update: async (caller, id, body, revision) => {
      const { name, description, stateful } = bodyOf('security_group', changes, body)
      const group = await visible(caller, id)
      if (group.is_default === 1 && name !== undefined) throw defaultGroupStays()
      if (name?.toLowerCase() === 'default') throw defaultGroupExists()
      const numUpdatedRows = await kysely.transaction().execute(async (tx) => {
        const result = await tx
          .updateTable('security_groups')
          .set((eb) => ({
            updated_at: ctx.clock.now(),
            revision: eb('revision', '+', 1),
            ...(name === undefined ? {} : { name }),
            ...(description === undefined ? {} : { description }),
            ...(stateful === undefined ? {} : { stateful: Number(stateful) }),
          }))
          .where('id', '=', id)
          .$if(revision !== undefined, (query) => query.where('revision', '=', revision ?? 0))
          .executeTakeFirst()
        // A port's groups are all stateful or none.
        if (stateful !== undefined && Number(stateful) !== group.stateful) await mustBeUnused(tx, id)
        return result.numUpdatedRows
      })
      if (numUpdatedRows === 0n) throw revision === undefined ? missing('SecurityGroup', id) : changedMeanwhile()
      if (stateful !== undefined) ctx.changes.note('rules', [id])
      return groupView(await visible(caller, id))
    },

    remove: async (caller, id) => {
      const group = await visible(caller, id)
      if (group.is_default === 1 && !caller.admin) throw defaultGroup()
      const naming = await kysely.transaction().execute(async (tx) => {
        await tx.updateTable('security_groups').set({ updated_at: ctx.clock.now() }).where('id', '=', id).execute()
        await mustBeUnused(tx, id)
        // Rules of other groups that name this one go with it.
        const rules = await tx
          .selectFrom('security_group_rules')
          .select('security_group_id')
          .where('remote_group_id', '=', id)
          .execute()
        await tx.deleteFrom('security_groups').where('id', '=', id).execute()
        await removeTags(tx, id)
        return rules.map((rule) => rule.security_group_id)
      })
      ctx.changes.note('rules', naming)
    },
  })
}
