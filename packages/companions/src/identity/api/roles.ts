/** `/v3/roles`, and which role holds which others: the cloud's administrators change them, managers see them to give them. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Selectable } from 'kysely'
import { z } from 'zod'
import { Fault } from '../../openstack/fault.ts'
import { last } from '../../openstack/page.ts'
import { audit } from '../audit.ts'
import { authenticated, type IdentityContext } from '../context.ts'
import { notFound, refusedAction } from '../errors.ts'
import { has, mayManage, maySee, must, type Holder } from '../policy.ts'
import { inexact, selectEqual } from '../store/select-equal.ts'
import type { IdentityTables } from '../store/tables.ts'
import { collection, links } from './collection.ts'
import { crudRoutes, newId } from './crud.ts'
import { description, extraOf, idField, mergedOptions, nameField, options } from './fields.ts'
import { mustBeDomain } from './own-domain.ts'
import { roleView } from './views.ts'

type Role = Selectable<IdentityTables['roles']>

const FILTERS = { name: 'text', domain_id: 'text' } as const
const create = z.looseObject({ name: nameField(), domain_id: idField.nullish(), description, options })
const change = create.partial()

/** Who reads a domain, or manages it, sees the roles there are to give. */
const seesRole = (caller: Holder, row: Role): boolean =>
  caller.token.domainId !== null && has(caller, 'reader') && [null, caller.token.domainId].includes(row.domain_id)

export function roleRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  crudRoutes(app, ctx, {
    one: 'role',
    many: 'roles',
    create,
    change,
    // Of the whole cloud, a domain's too: what it implies counts everywhere.
    domainOf: () => null,
    domainOfNew: () => null,
    alsoSees: seesRole,
    alsoLists: seesRole,
    select: async (db, query) => {
      const rows = await selectEqual(db.selectFrom('roles').selectAll().orderBy('name'), FILTERS, query).execute()
      return inexact(rows, FILTERS, query).filter(
        (row) => row.domain_id === null || last(query, 'domain_id') !== undefined,
      )
    },
    find: (db, id) => db.selectFrom('roles').selectAll().where('id', '=', id).executeTakeFirst(),
    insert: async (db, body) => {
      const domainId = body.domain_id ?? null
      if (domainId !== null) await mustBeDomain(db, domainId)
      return db
        .insertInto('roles')
        .values({
          id: newId(),
          name: body.name,
          domain_id: domainId,
          description: body.description ?? null,
          options: mergedOptions('{}', body.options),
          extra: extraOf(body, create),
        })
        .returningAll()
        .executeTakeFirstOrThrow()
    },
    update: (db, row, body) => {
      if (body.domain_id !== undefined && body.domain_id !== row.domain_id)
        throw refusedAction('Update of `domain_id` is not allowed')
      return db
        .updateTable('roles')
        .set({
          name: body.name ?? row.name,
          description: body.description === undefined ? row.description : body.description,
          options: mergedOptions(row.options, body.options),
          extra: extraOf(body, create, row.extra),
        })
        .where('id', '=', row.id)
        .returningAll()
        .executeTakeFirstOrThrow()
    },
    remove: async (db, { id }) => void (await db.deleteFrom('roles').where('id', '=', id).execute()),
    view: roleView,
    revokes: (before, after) => (!after || after.name !== before.name ? {} : undefined),
  })
  impliedRoutes(app, ctx)
}

const brief = (request: FastifyRequest, { id, name }: Role) => ({ id, name, ...links(request, `roles/${id}`) })

function impliedRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  const { kysely } = ctx.database
  type Params = { id: string; implied: string }
  const path = '/v3/roles/:id/implies'
  const find = async (id: string): Promise<Role> => {
    const row = await kysely.selectFrom('roles').selectAll().where('id', '=', id).executeTakeFirst()
    if (!row) throw notFound('role', id)
    return row
  }
  const rules = () =>
    kysely
      .selectFrom('implied_roles')
      .innerJoin('roles', 'roles.id', 'implied_roles.implied_id')
      .selectAll('roles')
      .select('implied_roles.prior_id')
      .orderBy('roles.name')
      .execute()
  /** The rule itself, if it is there. Errors: 404. */
  const rule = async ({ id, implied }: Params) => {
    const [prior, other] = [await find(id), await find(implied)]
    if (!(await rules()).some((row) => row.prior_id === id && row.id === implied))
      throw new Fault(404, `${id} does not imply ${implied}.`)
    return { prior, other }
  }
  const inference = (request: FastifyRequest, prior: Role, implies: unknown, where: string) => ({
    role_inference: { prior_role: brief(request, prior), implies },
    ...links(request, where),
  })
  const told = (caller: Holder, request: FastifyRequest, event: string, { id, implied }: Params) => {
    ctx.revocations.tell({})
    const facts = { implied }
    audit(ctx, request, { event, outcome: 'success', actor: caller.token.userId, target: id, facts })
  }

  app.get(
    '/v3/role_inferences',
    authenticated(ctx, async (caller, request) => {
      must(maySee(caller), 'list_role_inference_rules')
      const all = await rules()
      const priors = await kysely.selectFrom('roles').selectAll().orderBy('name').execute()
      return collection(
        request,
        'role_inferences',
        priors
          .map((prior) => ({ prior, implied: all.filter((row) => row.prior_id === prior.id) }))
          .filter(({ implied }) => implied.length > 0)
          .map(({ prior, implied }) => ({
            prior_role: brief(request, prior),
            implies: implied.map((row) => brief(request, row)),
          })),
      )
    }),
  )
  app.get(
    path,
    authenticated(ctx, async (caller, request) => {
      must(maySee(caller), 'list_implied_roles')
      const { id } = request.params as Params
      const prior = await find(id)
      const implied = (await rules()).filter((row) => row.prior_id === id)
      return inference(
        request,
        prior,
        implied.map((row) => brief(request, row)),
        `roles/${id}/implies`,
      )
    }),
  )
  app.get(
    `${path}/:implied`,
    authenticated(ctx, async (caller, request, reply) => {
      must(maySee(caller), 'get_implied_role')
      const params = request.params as Params
      const { prior, other } = await rule(params)
      if (request.method === 'HEAD') return reply.code(204).send()
      return inference(request, prior, brief(request, other), `roles/${params.id}/implies/${params.implied}`)
    }),
  )
  app.put(
    `${path}/:implied`,
    authenticated(ctx, async (caller, request, reply) => {
      must(mayManage(caller), 'create_implied_role')
      const params = request.params as Params
      const [prior, other] = [await find(params.id), await find(params.implied)]
      if (other.name === 'admin' && other.domain_id === null)
        throw refusedAction(`${other.id} cannot be an implied role`)
      await kysely
        .insertInto('implied_roles')
        .values({ prior_id: params.id, implied_id: params.implied })
        .onConflict((there) => there.doNothing())
        .execute()
      told(caller, request, 'create implied role', params)
      const where = `roles/${params.id}/implies/${params.implied}`
      return reply.code(201).send(inference(request, prior, brief(request, other), where))
    }),
  )
  app.delete(
    `${path}/:implied`,
    authenticated(ctx, async (caller, request, reply) => {
      must(mayManage(caller), 'delete_implied_role')
      const params = request.params as Params
      await rule(params)
      await kysely
        .deleteFrom('implied_roles')
        .where('prior_id', '=', params.id)
        .where('implied_id', '=', params.implied)
        .execute()
      told(caller, request, 'delete implied role', params)
      return reply.code(204).send()
    }),
  )
}
