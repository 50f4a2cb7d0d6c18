/** `/v2.0/networks`. Sharing, outside access and what lies beneath a network are an admin's to say. */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { sql, type SqlBool } from 'kysely'
import { z } from 'zod'
import { owns, type Caller } from '../../openstack/caller.ts'
import { projectFor, type Db, type NetworkContext } from '../context.ts'
import {
  changedMeanwhile,
  disallowed,
  externalInUse,
  missing,
  mtuTooSmall,
  networkInUse,
  sharedByOthers,
} from '../errors.ts'
import { parseList, type Special } from '../list-query.ts'
import { findNetwork, listNetworks, networkColumns, type Network } from '../store/networks.ts'
import { FLOATING_OWNER, GATEWAY_OWNER } from '../store/routers.ts'
import { mustFit } from '../store/quotas.ts'
import { addTags, removeTags } from '../store/tags.ts'
import { networkView } from '../views.ts'
import { crudRoutes } from './crud.ts'
import { bodyOf, flag, mustBeZones, project, tags, text, zoneHints } from './fields.ts'
import { mustMayTag } from './reserved-tags.ts'

const MIN_MTU = 68
const MAX_MTU = 65_535

const changeable = {
  name: text.optional(),
  description: text.optional(),
  admin_state_up: flag.optional(),
  shared: flag.optional(),
  'router:external': flag.optional(),
  mtu: z.coerce.number().int().min(MIN_MTU).max(MAX_MTU).optional(),
  port_security_enabled: flag.optional(),
  dns_domain: text.optional(),
  is_default: flag.optional(),
}
const changes = z.strictObject(changeable)
const creation = z.strictObject({
  ...changeable,
  project_id: project,
  tenant_id: project,
  tags: tags.optional(),
  availability_zone_hints: zoneHints,
  'provider:network_type': text.nullish(),
  'provider:physical_network': text.nullish(),
  'provider:segmentation_id': z.coerce.number().int().min(0).max(16_777_215).nullish(),
})

/** Every network is active. */
const isActive: Special = (values) => sql<SqlBool>`${sql.lit(values.includes('ACTIVE') ? 1 : 0)} = 1`

function mustMayShape(caller: Caller, wanted: z.output<typeof changes>, verb: string): void {
  if (caller.admin) return
  if (wanted.shared) throw disallowed(`${verb}_network:shared`)
  if (wanted.is_default) throw disallowed(`${verb}_network:is_default`)
  if (wanted['router:external']) throw disallowed(`${verb}_network:router:external`)
}

/** The smallest MTU that IPv6 works with. */
const IPV6_MTU = 1280

/** Errors: 409 for a change that those who use the network would not survive. */
async function mustStandWithUse(tx: Db, id: string, network: Network, wanted: z.output<typeof changes>): Promise<void> {
  const ports = tx.selectFrom('ports').select('id').where('network_id', '=', id).limit(1)
  if (network.shared === 1 && wanted.shared === false) {
    const foreign = await ports
      .where('project_id', 'not in', [network.project_id, ''])
      .where('device_owner', 'not like', 'network:%')
      .executeTakeFirst()
    if (foreign) throw sharedByOthers(network.name)
  }
  if (network.external === 1 && wanted['router:external'] === false) {
    const leading = await ports.where('device_owner', 'in', [GATEWAY_OWNER, FLOATING_OWNER]).executeTakeFirst()
    if (leading) throw externalInUse(id)
  }
  if (wanted.mtu !== undefined && wanted.mtu < IPV6_MTU) {
    const six = await tx
      .selectFrom('subnets')
      .select('id')
      .where('network_id', '=', id)
      .where('ip_version', '=', 6)
      .limit(1)
      .executeTakeFirst()
    if (six) throw mtuTooSmall(id, IPV6_MTU)
  }
}

export function networkRoutes(app: FastifyInstance, ctx: NetworkContext): void {
  const { kysely, kind } = ctx.database

  const visible = async (caller: Caller, id: string): Promise<Network> => {
    const network = await findNetwork(kysely, kind, caller, id)
    if (!network) throw missing('Network', id)
    return network
  }
  const own = async (caller: Caller, id: string, verb: string): Promise<Network> => {
    const network = await visible(caller, id)
    if (!owns(caller, network.project_id)) throw disallowed(`${verb}_network`)
    return network
  }

  crudRoutes(app, ctx, {
    path: '/v2.0/networks',
    one: 'network',
    many: 'networks',
    parseList: (query) => parseList(query, 'networks', networkColumns, { status: isActive }),
    list: async (caller, list) =>
      (await listNetworks(kysely, kind, caller, list)).map((row) => networkView(row, caller)),
    show: async (caller, id) => networkView(await visible(caller, id), caller),

    create: async (caller, body) => {
      const wanted = bodyOf('network', creation, body)
      mustMayTag(caller, wanted.tags)
      mustMayShape(caller, wanted, 'create')
      mustBeZones(wanted.availability_zone_hints)
      const provider = [
        wanted['provider:network_type'],
        wanted['provider:physical_network'],
        wanted['provider:segmentation_id'],
      ]
      if (!caller.admin && provider.some((value) => value !== undefined && value !== null))
        throw disallowed('create_network:provider')
      const now = ctx.clock.now()
      const id = randomUUID()
      const projectId = projectFor(caller, wanted)
      await kysely.transaction().execute(async (tx) => {
        await mustFit(tx, kind, projectId, 'network')
        await tx
          .insertInto('networks')
          .values({
            id,
            project_id: projectId,
            name: wanted.name ?? '',
            description: wanted.description ?? '',
            admin_state_up: Number(wanted.admin_state_up ?? true),
            shared: Number(wanted.shared ?? false),
            external: Number(wanted['router:external'] ?? false),
            mtu: wanted.mtu ?? ctx.defaultMtu,
            port_security_enabled: Number(wanted.port_security_enabled ?? true),
            dns_domain: wanted.dns_domain ?? '',
            provider_type: wanted['provider:network_type'] ?? null,
            provider_physical: wanted['provider:physical_network'] ?? null,
            provider_segment: wanted['provider:segmentation_id'] ?? null,
            is_default: Number(wanted.is_default ?? false),
            zone_hints: JSON.stringify(wanted.availability_zone_hints ?? []),
            created_at: now,
            updated_at: now,
            revision: 1,
          })
          .execute()
        await addTags(tx, id, wanted.tags ?? [])
      })
      return networkView(await visible(caller, id), caller)
    },

    update: async (caller, id, body, revision) => {
      const wanted = bodyOf('network', changes, body)
      const network = await own(caller, id, 'update')
      mustMayShape(caller, wanted, 'update')
      const numUpdatedRows = await kysely.transaction().execute(async (tx) => {
        const result = await tx
          .updateTable('networks')
          .set((eb) => ({
            updated_at: ctx.clock.now(),
            revision: eb('revision', '+', 1),
            ...(wanted.name === undefined ? {} : { name: wanted.name }),
            ...(wanted.description === undefined ? {} : { description: wanted.description }),
            ...(wanted.admin_state_up === undefined ? {} : { admin_state_up: Number(wanted.admin_state_up) }),
            ...(wanted.shared === undefined ? {} : { shared: Number(wanted.shared) }),
            ...(wanted['router:external'] === undefined ? {} : { external: Number(wanted['router:external']) }),
            ...(wanted.mtu === undefined ? {} : { mtu: wanted.mtu }),
            ...(wanted.port_security_enabled === undefined
              ? {}
              : { port_security_enabled: Number(wanted.port_security_enabled) }),
            ...(wanted.dns_domain === undefined ? {} : { dns_domain: wanted.dns_domain }),
            ...(wanted.is_default === undefined ? {} : { is_default: Number(wanted.is_default) }),
          }))
          .where('id', '=', id)
          .$if(revision !== undefined, (query) => query.where('revision', '=', revision ?? 0))
          .executeTakeFirst()
        await mustStandWithUse(tx, id, network, wanted)
        return result.numUpdatedRows
      })
      if (numUpdatedRows === 0n) throw revision === undefined ? missing('Network', id) : changedMeanwhile()
      ctx.changes.note('network', [id])
      return networkView(await visible(caller, id), caller)
    },

    remove: async (caller, id) => {
      await own(caller, id, 'delete')
      await kysely.transaction().execute(async (tx) => {
        // The row lock keeps a port that is being made on this network waiting, on PostgreSQL too.
        await tx.updateTable('networks').set({ updated_at: ctx.clock.now() }).where('id', '=', id).execute()
        const port = await tx.selectFrom('ports').select('id').where('network_id', '=', id).limit(1).executeTakeFirst()
        if (port) throw networkInUse(id)
        await tx
          .deleteFrom('tags')
          .where('resource_id', 'in', (subnets) =>
            subnets.selectFrom('subnets').select('id').where('network_id', '=', id),
          )
          .execute()
        await tx.deleteFrom('networks').where('id', '=', id).execute()
        await removeTags(tx, id)
      })
      ctx.changes.note('network', [id])
    },
  })
}
