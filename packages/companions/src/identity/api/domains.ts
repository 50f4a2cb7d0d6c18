/** `/v3/domains`: an admin manages them; anybody sees their own. A disabled one lets nobody in; only a disabled one is deleted, with all in it. */
import type { FastifyInstance } from 'fastify'
import type { Selectable } from 'kysely'
import { z } from 'zod'
import type { IdentityContext } from '../context.ts'
import { refusedAction } from '../errors.ts'
import type { Holder } from '../policy.ts'
import { forgetActor, forgetTarget } from '../store/assignments.ts'
import { inexact, selectEqual } from '../store/select-equal.ts'
import type { IdentityTables } from '../store/tables.ts'
import { crudRoutes, newId } from './crud.ts'
import { description, enabled, extraOf, mergedOptions, nameField, options, tags } from './fields.ts'
import { domainView } from './views.ts'

const FILTERS = { name: 'text', enabled: 'boolean' } as const
const create = z.looseObject({
  name: nameField(64),
  description,
  enabled,
  options,
  tags,
  explicit_domain_id: z
    .string()
    .regex(/^[0-9a-f]{32}$/, 'an id has 32 hexadecimal digits')
    .optional(),
})
const change = create.omit({ explicit_domain_id: true }).partial()

/** The one the token is for, or its project is in, or its user is of. */
const isOwn = ({ token }: Holder, { id }: Selectable<IdentityTables['domains']>): boolean =>
  [token.domainId, token.project?.domain.id, token.userDomain.id].includes(id)

export function domainRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  crudRoutes(app, ctx, {
    one: 'domain',
    many: 'domains',
    open: true,
    create,
    change,
    // Its own manager sees it, and may not change it.
    domainOf: () => null,
    domainOfNew: () => null,
    alsoSees: isOwn,
    alsoLists: isOwn,
    select: async (db, query) =>
      inexact(
        await selectEqual(db.selectFrom('domains').selectAll().orderBy('name'), FILTERS, query).execute(),
        FILTERS,
        query,
      ),
    find: (db, id) => db.selectFrom('domains').selectAll().where('id', '=', id).executeTakeFirst(),
    insert: (db, body) =>
      db
        .insertInto('domains')
        .values({
          id: body.explicit_domain_id ?? newId(),
          name: body.name,
          description: body.description ?? '',
          enabled: Number(body.enabled ?? true),
          tags: JSON.stringify(body.tags ?? []),
          options: mergedOptions('{}', body.options),
          extra: extraOf(body, create),
        })
        .returningAll()
        .executeTakeFirstOrThrow(),
    update: (db, row, body) => {
      if (body.enabled === false && row.id === 'default') throw refusedAction('Cannot disable the default domain')
      return db
        .updateTable('domains')
        .set({
          name: body.name ?? row.name,
          description: body.description ?? row.description,
          enabled: Number(body.enabled ?? row.enabled),
          tags: body.tags ? JSON.stringify(body.tags) : row.tags,
          options: mergedOptions(row.options, body.options),
          extra: extraOf(body, create, row.extra),
        })
        .where('id', '=', row.id)
        .returningAll()
        .executeTakeFirstOrThrow()
    },
    remove: async (db, { id }) =>
      db.transaction().execute(async (tx) => {
        const now = await tx.selectFrom('domains').select('enabled').where('id', '=', id).executeTakeFirst()
        if (id === 'default') throw refusedAction('Cannot delete the default domain')
        if (now?.enabled) throw refusedAction('Cannot delete a domain that is enabled, please disable it first')
        const inside = (table: 'projects' | 'users' | 'groups') =>
          tx.selectFrom(table).select('id').where('domain_id', '=', id).execute()
        for (const user of await inside('users')) await forgetActor(tx, 'user', user.id)
        for (const group of await inside('groups')) await forgetActor(tx, 'group', group.id)
        for (const project of await inside('projects')) await forgetTarget(tx, 'project', project.id)
        await forgetTarget(tx, 'domain', id)
        // Children refer to their parents.
        await tx.updateTable('projects').set({ parent_id: null }).where('domain_id', '=', id).execute()
        for (const table of ['users', 'groups', 'projects', 'roles'] as const)
          await tx.deleteFrom(table).where('domain_id', '=', id).execute()
        await tx.deleteFrom('domains').where('id', '=', id).execute()
      }),
    view: domainView,
    revokes: (before, after) =>
      !after || before.enabled !== after.enabled || before.name !== after.name ? {} : undefined,
  })
}
