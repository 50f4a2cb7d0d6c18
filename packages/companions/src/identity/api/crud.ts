/** The five requests that every noun of the identity service answers, in Keystone's frame: `{"user": {…}}`, `{"users": […]}`. */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import { parsed } from '../../openstack/body.ts'
import type { Query } from '../../openstack/page.ts'
import { audit } from '../audit.ts'
import { authenticated, type IdentityContext } from '../context.ts'
import { notFound, refusedAction, taken } from '../errors.ts'
import { mayManage, maySee, must, type Holder } from '../policy.ts'
import type { Revocation } from '../revocations.ts'
import type { IdentityTables } from '../store/tables.ts'
import { collection } from './collection.ts'

export type Db = Kysely<IdentityTables>

export interface Noun<Row extends { readonly id: string }, New, Change> {
  readonly one: string
  readonly many: string
  /** What is inside the frame. */
  readonly create: z.ZodType<New>
  readonly change: z.ZodType<Change>
  /** Whose managers may change it; null: the cloud's alone. */
  domainOf(row: Row): string | null
  domainOfNew(body: New, caller: Holder): string | null
  /** Anybody may ask for the list, and sees what they may see of it. */
  readonly open?: boolean
  /** None of it is a domain's: only who sees the whole cloud may ask for the list. */
  readonly cloud?: boolean
  /** Who sees it besides those of its domain, when it is asked for by its id. */
  alsoSees?(caller: Holder, row: Row): boolean | Promise<boolean>
  /** Who sees it in the list besides those of its domain. */
  alsoLists?(caller: Holder, row: Row): boolean
  select(db: Db, query: Query): Promise<readonly Row[]>
  find(db: Db, id: string): Promise<Row | undefined>
  insert(db: Db, body: New, caller: Holder): Promise<Row>
  /** Errors: 403, 409. */
  update(db: Db, row: Row, change: Change): Promise<Row>
  /** Errors: 403. */
  remove(db: Db, row: Row): Promise<void>
  view(request: FastifyRequest, row: Row): unknown
  /** More of one thing, when it is shown alone. */
  details?(request: FastifyRequest, row: Row, caller: Holder): Promise<object>
  /** What tokens a change, or (without `after`) the removal, ended. */
  revokes?(before: Row, after: Row | undefined): Revocation | undefined
}

export const newId = (): string => randomUUID().replaceAll('-', '')

export function crudRoutes<Row extends { readonly id: string }, New, Change>(
  app: FastifyInstance,
  ctx: IdentityContext,
  noun: Noun<Row, New, Change>,
): void {
  const { one, many, open = false, cloud = false } = noun
  const db = ctx.database.kysely
  const path = `/v3/${many}`
  const idOf = (request: FastifyRequest) => (request.params as { id: string }).id
  /** Sees more than what is theirs: on the system, or in the domain that the token is for. */
  const reads = (caller: Holder): boolean => open || maySee(caller) || (!cloud && maySee(caller, caller.token.domainId))
  const sees = async (caller: Holder, row: Row): Promise<boolean> =>
    maySee(caller, noun.domainOf(row)) || ((await noun.alsoSees?.(caller, row)) ?? false)
  const found = async (caller: Holder, id: string, action: string): Promise<Row> => {
    const row = await noun.find(db, id)
    if (row) return row
    // Who sees nothing of others does not learn what there is.
    must(reads(caller), action)
    throw notFound(one, id)
  }
  const told = (caller: Holder, request: FastifyRequest, event: string, target: string, body?: unknown) =>
    audit(ctx, request, {
      event: `${event} ${one}`,
      outcome: 'success',
      actor: caller.token.userId,
      target,
      ...(body === undefined ? {} : { facts: { fields: Object.keys(body as object) } }),
    })

  app.get(
    path,
    authenticated(ctx, async (caller, request) => {
      must(reads(caller), `list_${many}`)
      const rows = await noun.select(db, request.query as Query)
      const seen = rows.filter((row) => maySee(caller, noun.domainOf(row)) || noun.alsoLists?.(caller, row))
      return collection(
        request,
        many,
        seen.map((row) => noun.view(request, row)),
      )
    }),
  )

  app.get(
    `${path}/:id`,
    authenticated(ctx, async (caller, request) => {
      const row = await found(caller, idOf(request), `get_${one}`)
      must(await sees(caller, row), `get_${one}`)
      const more = (await noun.details?.(request, row, caller)) ?? {}
      return { [one]: { ...(noun.view(request, row) as object), ...more } }
    }),
  )

  app.post(
    path,
    authenticated(ctx, async (caller, request, reply) => {
      must(mayManage(caller) || mayManage(caller, caller.token.domainId), `create_${one}`)
      const body = framed(one, noun.create, request.body)
      must(mayManage(caller, noun.domainOfNew(body, caller)), `create_${one}`)
      const row = await stored(one, nameOf(body), () => noun.insert(db, body, caller))
      told(caller, request, 'create', row.id)
      return reply.code(201).send({ [one]: noun.view(request, row) })
    }),
  )

  app.patch(
    `${path}/:id`,
    authenticated(ctx, async (caller, request) => {
      const before = await found(caller, idOf(request), `update_${one}`)
      must(mayManage(caller, noun.domainOf(before)), `update_${one}`)
      const change = framed(one, noun.change, request.body)
      mustBeMutable(one, before, change)
      const after = await stored(one, nameOf(change), () => noun.update(db, before, change))
      const revoked = noun.revokes?.(before, after)
      if (revoked) ctx.revocations.tell(revoked)
      told(caller, request, 'update', before.id, change)
      return { [one]: noun.view(request, after) }
    }),
  )

  app.delete(
    `${path}/:id`,
    authenticated(ctx, async (caller, request, reply) => {
      const row = await found(caller, idOf(request), `delete_${one}`)
      must(mayManage(caller, noun.domainOf(row)), `delete_${one}`)
      mustBeMutable(one, row)
      await stored(one, row.id, () => noun.remove(db, row))
      const revoked = noun.revokes?.(row, undefined)
      if (revoked) ctx.revocations.tell(revoked)
      told(caller, request, 'delete', row.id)
      return reply.code(204).send()
    }),
  )
}

/** `{"user": {…}}`. Errors: 400. */
export const framed = <T>(one: string, schema: z.ZodType<T>, body: unknown): T =>
  (parsed(z.object({ [one]: schema }), body) as Record<string, T>)[one] as T

/** Keystone's resource option `immutable`: only taking it back is allowed. Errors: 403. */
function mustBeMutable(one: string, row: object, change?: unknown): void {
  if (!('options' in row) || !optionsOf(String(row.options)).immutable) return
  const wanted = change as { options?: { immutable?: unknown } } | undefined
  if (wanted?.options?.immutable === false || wanted?.options?.immutable === null) return
  throw refusedAction(`Cannot change or delete an immutable ${one}`)
}
const nameOf = (body: unknown): string => {
  const { name } = body as { readonly name?: unknown }
  return typeof name === 'string' ? name : ''
}
const optionsOf = (text: string) => JSON.parse(text) as { readonly immutable?: boolean }

/** The database has the last word on what must be unique, and on what still refers to something. Errors: 409. */
export async function stored<T>(what: string, name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { code, errcode } = error as { readonly code?: string; readonly errcode?: number }
    if (code === '23505' || errcode === 2067 || errcode === 1555)
      throw taken(what, `Duplicate entry found with name ${name}`)
    if (code === '23503' || errcode === 787)
      throw taken(what, 'something else refers to it, or what it refers to is gone')
    throw error
  }
}
