/** `/v2.0/routers`. A router has interfaces on subnets and at most one gateway; neither distributed nor highly available ones are here. */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { sql, type SqlBool } from 'kysely'
import { z } from 'zod'
import { privileged, type Caller } from '../../openstack/caller.ts'
import { projectFor, type Db, type NetworkContext } from '../context.ts'
import { changedMeanwhile, disallowed, missing, routerInUse } from '../errors.ts'
import { parseList, type Special } from '../list-query.ts'
import { mustFit } from '../store/quotas.ts'
import { findRouter, listRouters, lockRouter, routerColumns, routerPorts, type Router } from '../store/routers.ts'
import { addTags, removeTags } from '../store/tags.ts'
import { routerView } from '../views.ts'
import { crudRoutes } from './crud.ts'
import { bodyOf, flag, mustBeZones, project, tags, text, zoneHints } from './fields.ts'
import { mustMayTag } from './reserved-tags.ts'
import { gatewayInfo, mustMayLeave, writeGateway } from './router-gateway.ts'
import { routes, writeRoutes } from './router-routes.ts'

const never = flag.pipe(z.literal(false, { error: 'is not offered here' })).optional()
const changeable = {
  name: text.optional(),
  description: text.optional(),
  admin_state_up: flag.optional(),
  external_gateway_info: gatewayInfo,
  distributed: never,
  ha: never,
}
const changes = z.strictObject({ ...changeable, routes: routes.nullish() })
const creation = z.strictObject({
  ...changeable,
  project_id: project,
  tenant_id: project,
  tags: tags.optional(),
  availability_zone_hints: zoneHints,
})

/** Every router is active. */
const isActive: Special = (values) => sql<SqlBool>`${sql.lit(values.includes('ACTIVE') ? 1 : 0)} = 1`

function mustMayShape(caller: Caller, wanted: z.output<typeof changes>, verb: string): void {
  mustMayLeave(caller, wanted.external_gateway_info, verb)
  if (privileged(caller)) return
  for (const name of ['distributed', 'ha'] as const)
    if (wanted[name] !== undefined) throw disallowed(`${verb}_router:${name}`)
}

export function routerRoutes(app: FastifyInstance, ctx: NetworkContext): void {
  const { kysely, kind } = ctx.database

  const visible = async (db: Db, caller: Caller, id: string): Promise<Router> => {
    const router = await findRouter(db, kind, caller, id)
    if (!router) throw missing('Router', id)
    return router
  }

  crudRoutes(app, ctx, {
    path: '/v2.0/routers',
    one: 'router',
    many: 'routers',
    parseList: (query) => parseList(query, 'routers', routerColumns, { status: isActive }),
    list: async (caller, list) => (await listRouters(kysely, kind, caller, list)).map((row) => routerView(row, caller)),
    show: async (caller, id) => routerView(await visible(kysely, caller, id), caller),

    create: async (caller, body) => {
      const wanted = bodyOf('router', creation, body)
      mustMayTag(caller, wanted.tags)
      mustMayShape(caller, wanted, 'create')
      mustBeZones(wanted.availability_zone_hints)
      const now = ctx.clock.now()
      const id = randomUUID()
      const projectId = projectFor(caller, wanted)
      const router = await kysely.transaction().execute(async (tx) => {
        await mustFit(tx, kind, projectId, 'router')
        await tx
          .insertInto('routers')
          .values({
            id,
            project_id: projectId,
            name: wanted.name ?? '',
            description: wanted.description ?? '',
            admin_state_up: Number(wanted.admin_state_up ?? true),
            enable_snat: 1,
            routes: '[]',
            zone_hints: JSON.stringify(wanted.availability_zone_hints ?? []),
            created_at: now,
            updated_at: now,
            revision: 1,
          })
          .execute()
        await writeGateway(tx, ctx, caller, id, wanted.external_gateway_info)
        await addTags(tx, id, wanted.tags ?? [])
        return visible(tx, caller, id)
      })
      ctx.changes.note('router', [id])
      return routerView(router, caller)
    },

    update: async (caller, id, body, revision) => {
      const wanted = bodyOf('router', changes, body)
      const router = await kysely.transaction().execute(async (tx) => {
        await visible(tx, caller, id)
        mustMayShape(caller, wanted, 'update')
        await lockRouter(tx, id, ctx.clock.now())
        // The lock has counted one.
        if (revision !== undefined && (await visible(tx, caller, id)).revision !== revision + 1)
          throw changedMeanwhile()
        const columns = {
          ...(wanted.name === undefined ? {} : { name: wanted.name }),
          ...(wanted.description === undefined ? {} : { description: wanted.description }),
          ...(wanted.admin_state_up === undefined ? {} : { admin_state_up: Number(wanted.admin_state_up) }),
        }
        if (Object.keys(columns).length > 0) await tx.updateTable('routers').set(columns).where('id', '=', id).execute()
        if (wanted.external_gateway_info !== undefined)
          await writeGateway(tx, ctx, caller, id, wanted.external_gateway_info)
        if (wanted.routes !== undefined) await writeRoutes(tx, id, wanted.routes ?? [])
        return visible(tx, caller, id)
      })
      ctx.changes.note('router', [id])
      return routerView(router, caller)
    },

    remove: async (caller, id) => {
      await kysely.transaction().execute(async (tx) => {
        await visible(tx, caller, id)
        await lockRouter(tx, id, ctx.clock.now())
        const interfaces = (await routerPorts(tx, id)).filter((port) => port.kind === 'interface')
        if (interfaces.length > 0) throw routerInUse(id, [...new Set(interfaces.map((port) => port.port_id))])
        await writeGateway(tx, ctx, caller, id, null)
        await tx.deleteFrom('routers').where('id', '=', id).execute()
        await removeTags(tx, id)
      })
      ctx.changes.note('router', [id])
    },
  })
}
