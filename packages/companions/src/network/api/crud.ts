/** The five requests that every noun of the network service answers, in Neutron's frame: `{"port": {…}}`, `{"ports": […]}`. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { mustWrite, type Caller } from '../../openstack/caller.ts'
import { publicUrl } from '../../openstack/service.ts'
import { withCaller } from '../../openstack/token-check.ts'
import type { NetworkContext } from '../context.ts'
import { invalid } from '../errors.ts'
import { listAnswer, oneAnswer, type List } from '../list-query.ts'

type View = Readonly<Record<string, unknown>>

export interface Noun {
  /** `/v2.0/security-groups` */
  readonly path: string
  readonly one: string
  readonly many: string
  parseList(query: unknown): List
  list(caller: Caller, list: List): Promise<readonly View[]>
  /** Errors: 404. */
  show(caller: Caller, id: string): Promise<View>
  create(caller: Caller, body: unknown): Promise<View>
  update?(caller: Caller, id: string, body: unknown, revision: number | undefined): Promise<View>
  /** All or none, for `{"ports": [{…}, {…}]}`. */
  createMany?(caller: Caller, bodies: readonly unknown[]): Promise<readonly View[]>
  /** Errors: 404, 409. */
  remove(caller: Caller, id: string): Promise<void>
}

/** How many things one request makes. */
const MAX_BULK = 100

/** `If-Match: revision_number=7`. */
function wantedRevision(request: FastifyRequest): number | undefined {
  const match = /^revision_number=(\d{1,9})$/.exec(request.headers['if-match'] ?? '')
  return match ? Number(match[1]) : undefined
}

export function crudRoutes(app: FastifyInstance, { check }: NetworkContext, noun: Noun): void {
  const { path, one, many, update, createMany } = noun
  const idOf = (request: FastifyRequest) => (request.params as { id: string }).id

  app.get(
    path,
    withCaller(check, async (caller, request) => {
      const list = noun.parseList(request.query)
      return listAnswer(many, await noun.list(caller, list), list, `${publicUrl(request)}${request.url}`)
    }),
  )
  app.get(
    `${path}/:id`,
    withCaller(check, async (caller, request) => oneAnswer(one, await noun.show(caller, idOf(request)), request.query)),
  )
  app.post(
    path,
    withCaller(check, async (caller, request, reply) => {
      mustWrite(caller)
      const several = (request.body as Readonly<Record<string, unknown>> | undefined)?.[many]
      if (createMany && Array.isArray(several) && several.length > MAX_BULK)
        throw invalid(`at most ${MAX_BULK} ${many} are made at once`)
      if (createMany && Array.isArray(several))
        return reply.code(201).send({ [many]: await createMany(caller, several) })
      return reply.code(201).send({ [one]: await noun.create(caller, request.body) })
    }),
  )
  if (update)
    app.put(
      `${path}/:id`,
      withCaller(check, async (caller, request) => {
        mustWrite(caller)
        return { [one]: await update(caller, idOf(request), request.body, wantedRevision(request)) }
      }),
    )
  app.delete(
    `${path}/:id`,
    withCaller(check, async (caller, request, reply) => {
      mustWrite(caller)
      await noun.remove(caller, idOf(request))
      return reply.code(204).send()
    }),
  )
}
