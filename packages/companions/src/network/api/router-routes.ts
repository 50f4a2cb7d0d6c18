/** A router's extra routes: where to send what is for other blocks. `PUT …/add_extraroutes` and `…/remove_extraroutes` change some of them. */
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { mustWrite } from '../../openstack/caller.ts'
import { withCaller } from '../../openstack/token-check.ts'
import { formatAddress, formatCidr, inside, parseAddress, parseCidr } from '../address.ts'
import type { Db, NetworkContext } from '../context.ts'
import { invalidRoutes, missing, tooManyRoutes } from '../errors.ts'
import { findRouter, lockRouter, routerPorts, routerSubnets } from '../store/routers.ts'
import { textOfKey } from '../address.ts'
import { routerView } from '../views.ts'
import { address, bodyOf } from './fields.ts'

const MAX_ROUTES = 30

export const routes = z
  .array(
    z.strictObject({
      destination: z
        .string()
        .max(64)
        .refine((text) => parseCidr(text) !== undefined, { error: 'is not a valid CIDR' }),
      nexthop: address,
    }),
  )
  .max(1000)
export type Route = z.output<typeof routes>[number]

const same = (one: Route, other: Route) => one.destination === other.destination && one.nexthop === other.nexthop

/** In canonical form, each once. */
function canonical(wanted: readonly Route[]): readonly Route[] {
  const all = wanted.flatMap(({ destination, nexthop }) => {
    const [block, hop] = [parseCidr(destination), parseAddress(nexthop)]
    return block && hop ? [{ destination: formatCidr(block), nexthop: formatAddress(hop) }] : []
  })
  return all.filter((route, index) => all.findIndex((other) => same(route, other)) === index)
}

/** Replaces the routes of a router whose row is held. Errors: 400 when the router does not reach a next hop, or is it itself. */
export async function writeRoutes(tx: Db, routerId: string, wanted: readonly Route[]): Promise<void> {
  if (wanted.length > MAX_ROUTES) throw tooManyRoutes(routerId, MAX_ROUTES)
  const next = canonical(wanted)
  if (next.length > 0) {
    const blocks = (await routerSubnets(tx, routerId)).flatMap(({ cidr }) => parseCidr(cidr) ?? [])
    const own = new Set((await routerPorts(tx, routerId)).flatMap(({ address: key }) => (key ? textOfKey(key) : [])))
    for (const { destination, nexthop } of next) {
      const [hop, block] = [parseAddress(nexthop), parseCidr(destination)]
      if (!hop || !block || hop.version !== block.version)
        throw invalidRoutes(`the nexthop ${nexthop} is of another IP version than ${destination}`)
      if (!blocks.some((reached) => inside(reached, hop)))
        throw invalidRoutes(`the nexthop ${nexthop} is not connected with router`)
      if (own.has(nexthop)) throw invalidRoutes(`the nexthop ${nexthop} is used by router`)
    }
  }
  await tx
    .updateTable('routers')
    .set({ routes: JSON.stringify(next) })
    .where('id', '=', routerId)
    .execute()
}

export function routerRouteRoutes(app: FastifyInstance, ctx: NetworkContext): void {
  const { kysely, kind } = ctx.database
  const change = (merge: (known: readonly Route[], named: readonly Route[]) => readonly Route[]) =>
    withCaller(ctx.check, async (caller, request) => {
      mustWrite(caller)
      const { id } = request.params as { id: string }
      const wanted = bodyOf('router', z.strictObject({ routes }), request.body)
      const router = await kysely.transaction().execute(async (tx) => {
        if (!(await findRouter(tx, kind, caller, id))) throw missing('Router', id)
        await lockRouter(tx, id, ctx.clock.now())
        const row = await tx.selectFrom('routers').select('routes').where('id', '=', id).executeTakeFirstOrThrow()
        await writeRoutes(tx, id, merge(JSON.parse(row.routes) as Route[], canonical(wanted.routes)))
        return findRouter(tx, kind, caller, id)
      })
      if (!router) throw missing('Router', id)
      ctx.changes.note('router', [id])
      return { router: routerView(router, caller) }
    })
  app.put(
    '/v2.0/routers/:id/add_extraroutes',
    change((known, named) => [...known, ...named]),
  )
  app.put(
    '/v2.0/routers/:id/remove_extraroutes',
    change((known, named) => known.filter((route) => !named.some((other) => same(route, other)))),
  )
}
