/** Domains, roles, regions, services and endpoints: short lists of one shape, for admins; domains and regions for anybody. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Kysely, Selectable } from 'kysely'
import type { Query } from '../../openstack/page.ts'
import { authenticated, mustBeAdmin, type IdentityContext } from '../context.ts'
import { notFound } from '../errors.ts'
import { selectEqual, type Filters } from '../store/select-equal.ts'
import type { IdentityTables } from '../store/tables.ts'
import { collection } from './collection.ts'
import { domainView, endpointView, regionView, roleView, serviceView } from './views.ts'

type Table = 'domains' | 'roles' | 'regions' | 'services' | 'endpoints'

interface Listed<Name extends Table> {
  readonly one: string
  readonly filters: Filters
  readonly anybody: boolean
  view(request: FastifyRequest, row: Selectable<IdentityTables[Name]>): unknown
}

export function registryRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  listed(app, ctx, 'domains', {
    one: 'domain',
    filters: { name: 'text', enabled: 'boolean' },
    anybody: true,
    view: domainView,
  })
  listed(app, ctx, 'roles', { one: 'role', filters: { name: 'text' }, anybody: false, view: roleView })
  listed(app, ctx, 'regions', { one: 'region', filters: {}, anybody: true, view: regionView })
  listed(app, ctx, 'services', {
    one: 'service',
    filters: { name: 'text', type: 'text' },
    anybody: false,
    view: serviceView,
  })
  listed(app, ctx, 'endpoints', {
    one: 'endpoint',
    filters: { service_id: 'text', region_id: 'text', interface: 'text' },
    anybody: false,
    view: endpointView,
  })
}

function listed<Name extends Table>(app: FastifyInstance, ctx: IdentityContext, name: Name, what: Listed<Name>): void {
  const kysely: Kysely<IdentityTables> = ctx.database.kysely
  type Row = Selectable<IdentityTables[Name]>

  app.get(
    `/v3/${name}`,
    authenticated(ctx, async (holder, request) => {
      if (!what.anybody) mustBeAdmin(holder, `list_${name}`)
      const query = kysely.selectFrom<Table>(name).selectAll().orderBy('id')
      const rows = (await selectEqual(query, what.filters, request.query as Query).execute()) as Row[]
      return collection(
        request,
        name,
        rows.map((row) => what.view(request, row)),
      )
    }),
  )

  app.get(
    `/v3/${name}/:id`,
    authenticated(ctx, async (holder, request) => {
      if (!what.anybody) mustBeAdmin(holder, `get_${what.one}`)
      const { id } = request.params as { id: string }
      const row = (await kysely.selectFrom<Table>(name).selectAll().where('id', '=', id).executeTakeFirst()) as
        | Row
        | undefined
      if (!row) throw notFound(what.one, id)
      return { [what.one]: what.view(request, row) }
    }),
  )
}
