/** `/v3/projects`: a tree under each domain, with tags. Readers of its domain see a project, and who holds a role on it. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Selectable } from 'kysely'
import { z } from 'zod'
import { parsed } from '../../openstack/body.ts'
import { last, type Query } from '../../openstack/page.ts'
import { audit } from '../audit.ts'
import { authenticated, type IdentityContext } from '../context.ts'
import { invalid, notFound, notUnderstood, refusedAction } from '../errors.ts'
import { mayManage, maySee, must, type Holder } from '../policy.ts'
import { forgetTarget, projectsOf } from '../store/assignments.ts'
import { ancestorsOf, MAX_DEPTH, subtreeOf } from '../store/project-tree.ts'
import { flag, inexact, selectEqual, truth } from '../store/select-equal.ts'
import type { IdentityTables } from '../store/tables.ts'
import { collection, links } from './collection.ts'
import { crudRoutes, newId, type Db } from './crud.ts'
import { description, enabled, extraOf, idField, mergedOptions, nameField, options, tag, tags } from './fields.ts'
import { mustStayInDomain, ownDomain } from './own-domain.ts'
import { projectView } from './views.ts'

type Project = Selectable<IdentityTables['projects']>

const FILTERS = { name: 'text', domain_id: 'text', enabled: 'boolean' } as const
const create = z.looseObject({
  name: nameField(64),
  domain_id: idField.nullish(),
  parent_id: idField.nullish(),
  is_domain: z.boolean().optional(),
  description,
  enabled,
  options,
  tags,
})
const change = create.partial()

export function projectRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  const { kysely } = ctx.database
  crudRoutes(app, ctx, {
    one: 'project',
    many: 'projects',
    create,
    change,
    domainOf: (row) => row.domain_id,
    domainOfNew: (body, caller) => body.domain_id ?? ownDomain(caller),
    alsoSees: async ({ token }, { id }) =>
      token.projectId === id || (await projectsOf(kysely, token.userId)).some((row) => row.id === id),
    select,
    find: (db, id) => db.selectFrom('projects').selectAll().where('id', '=', id).executeTakeFirst(),
    insert,
    update,
    remove: (db, { id }) =>
      db.transaction().execute(async (tx) => {
        const child = await tx.selectFrom('projects').select('id').where('parent_id', '=', id).executeTakeFirst()
        if (child) throw refusedAction(`Cannot delete the project ${id} since it is not a leaf in the hierarchy`)
        await forgetTarget(tx, 'project', id)
        await tx.updateTable('users').set({ default_project_id: null }).where('default_project_id', '=', id).execute()
        await tx.deleteFrom('projects').where('id', '=', id).execute()
      }),
    view: projectView,
    details: (request, row, caller) => family(kysely, request, row, caller),
    revokes: (before, after) =>
      !after || before.enabled !== after.enabled || before.name !== after.name ? {} : undefined,
  })
  tagRoutes(app, ctx)

  app.get(
    '/v3/users/:id/projects',
    authenticated(ctx, async (caller, request) => {
      const { id } = request.params as { id: string }
      const user = await kysely.selectFrom('users').select('domain_id').where('id', '=', id).executeTakeFirst()
      must(caller.token.userId === id || maySee(caller, user?.domain_id), 'list_user_projects')
      if (!user) throw notFound('user', id)
      const rows = await projectsOf(kysely, id)
      return collection(
        request,
        'projects',
        rows.map((row) => projectView(request, row)),
      )
    }),
  )
}

/** Domains are projects too, for who asks so. */
async function select(db: Db, query: Query): Promise<readonly Project[]> {
  if (truth(last(query, 'is_domain') ?? 'false')) return []
  const rows = await selectEqual(db.selectFrom('projects').selectAll().orderBy('name'), FILTERS, query).execute()
  const parent = last(query, 'parent_id')
  const list = (name: string) => last(query, name)?.split(',')
  const [every, some, notEvery, notSome] = ['tags', 'tags-any', 'not-tags', 'not-tags-any'].map(list)
  return inexact(rows, FILTERS, query).filter((row) => {
    const own = JSON.parse(row.tags) as readonly string[]
    const has = (wanted: string) => own.includes(wanted)
    return (
      (parent === undefined || (row.parent_id ?? row.domain_id) === parent) &&
      (every?.every(has) ?? true) &&
      (some?.some(has) ?? true) &&
      !(notEvery?.every(has) ?? false) &&
      !(notSome?.some(has) ?? false)
    )
  })
}

async function insert(db: Db, body: z.output<typeof create>, caller: Holder): Promise<Project> {
  if (body.is_domain) throw notUnderstood('A domain is made by POST /v3/domains.')
  return db.transaction().execute(async (tx) => {
    const { domainId, parentId } = await place(tx, body, caller)
    const above = parentId === null ? [] : await ancestorsOf(tx, parentId)
    // A tree's root is the domain: Keystone counts projects below it.
    if (above.length >= MAX_DEPTH) throw refusedAction(`Max hierarchy depth reached for ${parentId} branch`)
    const on = body.enabled ?? true
    if (on && above.some((project) => !project.enabled))
      throw refusedAction('Cannot create an enabled project under a disabled one')
    return tx
      .insertInto('projects')
      .values({
        id: newId(),
        name: body.name,
        domain_id: domainId,
        parent_id: parentId,
        description: body.description ?? '',
        enabled: Number(on),
        tags: JSON.stringify([...new Set(body.tags ?? [])]),
        options: mergedOptions('{}', body.options),
        extra: extraOf(body, create),
      })
      .returningAll()
      .executeTakeFirstOrThrow()
  })
}

/** Its domain, and its parent if that is another project. Errors: 400. */
async function place(db: Db, body: z.output<typeof create>, caller: Holder) {
  const domainId = body.domain_id ?? ownDomain(caller)
  const domain = await db.selectFrom('domains').select('id').where('id', '=', domainId).executeTakeFirst()
  if (!domain) throw invalid(`Could not find domain: ${domainId}`)
  const parentId = body.parent_id ?? null
  if (parentId === null || parentId === domainId) return { domainId, parentId: null }
  const parent = await db.selectFrom('projects').select('domain_id').where('id', '=', parentId).executeTakeFirst()
  if (!parent) throw invalid(`Could not find project: ${parentId}`)
  if (parent.domain_id !== domainId)
    throw invalid(`The parent of a project is in the same domain, and ${parentId} is in ${parent.domain_id}`)
  return { domainId, parentId }
}

async function update(db: Db, row: Project, body: z.output<typeof change>): Promise<Project> {
  mustStayInDomain(row, body)
  if (body.parent_id !== undefined && body.parent_id !== (row.parent_id ?? row.domain_id))
    throw refusedAction('Update of `parent_id` is not allowed')
  if (body.is_domain) throw notUnderstood('Update of `is_domain` is not allowed.')
  return db.transaction().execute(async (tx) => {
    if (body.enabled === true && (await ancestorsOf(tx, row.id)).some(({ id, enabled: on }) => id !== row.id && !on))
      throw refusedAction(`Cannot enable project ${row.id} since it has disabled parents`)
    if (body.enabled === false && (await subtreeOf(tx, row.id)).some(({ enabled: on }) => on))
      throw refusedAction(`Cannot disable project ${row.id} since its subtree contains enabled projects`)
    return tx
      .updateTable('projects')
      .set({
        name: body.name ?? row.name,
        description: body.description ?? row.description,
        enabled: Number(body.enabled ?? row.enabled),
        tags: body.tags ? JSON.stringify([...new Set(body.tags)]) : row.tags,
        options: mergedOptions(row.options, body.options),
        extra: extraOf(body, create, row.extra),
      })
      .where('id', '=', row.id)
      .returningAll()
      .executeTakeFirstOrThrow()
  })
}

/** `?parents_as_list`, `?subtree_as_list`: those the caller holds a role on; `?parents_as_ids`, `?subtree_as_ids`: all, as a tree. */
async function family(db: Db, request: FastifyRequest, row: Project, caller: Holder): Promise<object> {
  const query = request.query as Query
  const own = new Set((await projectsOf(db, caller.token.userId)).map(({ id }) => id))
  const listed = (rows: readonly Project[]) =>
    rows.filter(({ id }) => own.has(id)).map((project) => ({ project: projectView(request, project) }))
  const above = async () => (await ancestorsOf(db, row.id)).filter(({ id }) => id !== row.id)
  const below = async () => subtreeOf(db, row.id)
  const answer: Record<string, unknown> = {}
  if (flag(query, 'parents_as_list')) answer['parents'] = listed(await above())
  if (flag(query, 'parents_as_ids'))
    answer['parents'] = (await above())
      .toReversed()
      .reduce<unknown>((inner, { id }) => ({ [id]: inner }), { [row.domain_id]: null })
  if (flag(query, 'subtree_as_list')) answer['subtree'] = listed(await below())
  if (flag(query, 'subtree_as_ids')) {
    const rows = await below()
    const under = (id: string): unknown => {
      const children = rows.filter(({ parent_id: parent }) => parent === id)
      return children.length === 0 ? null : Object.fromEntries(children.map((child) => [child.id, under(child.id)]))
    }
    answer['subtree'] = under(row.id)
  }
  return answer
}

/** `/v3/projects/{id}/tags`, and one tag below it. */
function tagRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  const { kysely } = ctx.database
  type Params = { id: string; tag: string }
  const tagsOf = async (caller: Holder, request: FastifyRequest, action: string, changing: boolean) => {
    const { id } = request.params as Params
    const row = await kysely.selectFrom('projects').selectAll().where('id', '=', id).executeTakeFirst()
    const mine = !changing && (await projectsOf(kysely, caller.token.userId)).some((project) => project.id === id)
    must((changing ? mayManage : maySee)(caller, row?.domain_id) || mine, action)
    if (!row) throw notFound('project', id)
    return JSON.parse(row.tags) as readonly string[]
  }
  const keep = async (caller: Holder, request: FastifyRequest, wanted: readonly string[]) => {
    const { id } = request.params as Params
    const unique = parsed(tags, [...new Set(wanted)])
    await kysely
      .updateTable('projects')
      .set({ tags: JSON.stringify(unique) })
      .where('id', '=', id)
      .execute()
    audit(ctx, request, { event: 'tag project', outcome: 'success', actor: caller.token.userId, target: id })
    return unique
  }
  const path = '/v3/projects/:id/tags'

  app.get(
    path,
    authenticated(ctx, async (caller, request) => ({
      tags: await tagsOf(caller, request, 'list_project_tags', false),
      ...links(request, `projects/${(request.params as Params).id}/tags`),
    })),
  )
  app.put(
    path,
    authenticated(ctx, async (caller, request) => {
      await tagsOf(caller, request, 'update_project_tags', true)
      const body = parsed(z.object({ tags: z.array(tag) }), request.body)
      return {
        tags: await keep(caller, request, body.tags),
        ...links(request, `projects/${(request.params as Params).id}/tags`),
      }
    }),
  )
  app.delete(
    path,
    authenticated(ctx, async (caller, request, reply) => {
      await tagsOf(caller, request, 'delete_project_tags', true)
      await keep(caller, request, [])
      return reply.code(204).send()
    }),
  )
  app.get(
    `${path}/:tag`,
    authenticated(ctx, async (caller, request, reply) => {
      const { tag: wanted } = request.params as Params
      const own = await tagsOf(caller, request, 'get_project_tag', false)
      if (!own.includes(wanted)) throw notFound('project tag', wanted)
      return reply.code(204).send()
    }),
  )
  app.put(
    `${path}/:tag`,
    authenticated(ctx, async (caller, request, reply) => {
      const own = await tagsOf(caller, request, 'create_project_tag', true)
      await keep(caller, request, [...own, (request.params as Params).tag])
      return reply.code(201).send()
    }),
  )
  app.delete(
    `${path}/:tag`,
    authenticated(ctx, async (caller, request, reply) => {
      const { tag: wanted } = request.params as Params
      const own = await tagsOf(caller, request, 'delete_project_tag', true)
      if (!own.includes(wanted)) throw notFound('project tag', wanted)
      await keep(
        caller,
        request,
        own.filter((name) => name !== wanted),
      )
      return reply.code(204).send()
    }),
  )
}
