/** `/v2.0/floatingips`: an address outside that leads to a port inside, over the router that connects the two. */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { privileged, type Caller } from '../../openstack/caller.ts'
import { keyOf, parseAddress, textOfKey } from '../address.ts'
import { projectFor, type Db, type NetworkContext } from '../context.ts'
import { badOf, changedMeanwhile, disallowed, floatingTwice, missing, unreachable } from '../errors.ts'
import { parseList } from '../list-query.ts'
import { lockSubnets } from '../store/allocate.ts'
import {
  findFloatingIp,
  floatingIpColumns,
  floatingIpSpecials,
  listFloatingIps,
  routerBetween,
  type FloatingIp,
} from '../store/floating-ips.ts'
import { findNetwork } from '../store/networks.ts'
import { findPort, lockPort } from '../store/ports.ts'
import { mustFit } from '../store/quotas.ts'
import { FLOATING_OWNER, lockRouter } from '../store/routers.ts'
import { makeServicePort, removeServicePort } from '../store/service-ports.ts'
import { addTags, removeTags } from '../store/tags.ts'
import { floatingIpView } from '../views.ts'
import { crudRoutes } from './crud.ts'
import { address, bodyOf, project, tags, text } from './fields.ts'
import { mustMayTag } from './reserved-tags.ts'

const changeable = {
  port_id: text.nullish(),
  fixed_ip_address: address.nullish(),
  description: text.optional(),
}
const changes = z.strictObject(changeable)
const creation = z.strictObject({
  ...changeable,
  floating_network_id: text,
  floating_ip_address: address.nullish(),
  subnet_id: text.nullish(),
  project_id: project,
  tenant_id: project,
  tags: tags.optional(),
  dns_name: z.literal('').optional(),
  dns_domain: z.literal('').optional(),
})

interface Target {
  readonly port_id: string | null
  readonly fixed_address: string | null
  readonly router_id: string | null
}
const NOWHERE: Target = { port_id: null, fixed_address: null, router_id: null }

export function floatingIpRoutes(app: FastifyInstance, ctx: NetworkContext): void {
  const { kysely, kind } = ctx.database

  const visible = async (db: Db, caller: Caller, id: string): Promise<FloatingIp> => {
    const found = await findFloatingIp(db, kind, caller, id)
    if (!found) throw missing('FloatingIP', id)
    return found
  }

  /** Where it shall lead. Errors: 400, 404, 409. */
  const targetOf = async (
    tx: Db,
    caller: Caller,
    own: { id: string; project_id: string; network_id: string; address: string },
    portId: string,
    fixed: string | null | undefined,
  ): Promise<Target> => {
    // Against a port that is being deleted.
    await lockPort(tx, kind, portId)
    const port = await findPort(tx, kind, caller, portId)
    if (!port) throw missing('Port', portId)
    if (port.project_id !== own.project_id && !privileged(caller))
      throw badOf('floatingip', `Port ${portId} belongs to another project`)
    if (port.device_owner.startsWith('network:'))
      throw badOf('floatingip', `Port ${portId} is unable to be assigned a floating IP`)
    const held = (JSON.parse(port.fixed_ips) as { subnet_id: string; address: string }[]).filter(
      ({ address: key }) => key.length === 8,
    )
    const wished = fixed ? parseAddress(fixed) : undefined
    if (wished && wished.version !== 4) throw badOf('floatingip', `${fixed} is not an IPv4 address`)
    const fitting = wished ? held.filter(({ address: key }) => key === keyOf(4, wished.value)) : held
    if (fitting.length > 1)
      throw badOf('floatingip', `Port ${portId} has several IPv4 addresses, so one of them must be named`)
    const [ip] = fitting
    if (!ip)
      throw badOf(
        'floatingip',
        wished ? `Port ${portId} does not have fixed ip ${fixed}` : `Port ${portId} has no fixed IPv4 addresses`,
      )
    const path = { subnetId: ip.subnet_id, networkId: own.network_id }
    const routerId = await routerBetween(tx, path)
    if (routerId === undefined) throw unreachable(own.network_id, ip.subnet_id, portId)
    // Against an interface or a gateway that is being removed.
    await lockRouter(tx, routerId, ctx.clock.now())
    if ((await routerBetween(tx, path)) !== routerId) throw unreachable(own.network_id, ip.subnet_id, portId)
    const other = await tx
      .selectFrom('floatingips')
      .select('id')
      .where('port_id', '=', portId)
      .where('fixed_address', '=', ip.address)
      .where('network_id', '=', own.network_id)
      .where('id', '!=', own.id)
      .executeTakeFirst()
    if (other) throw floatingTwice(textOfKey(own.address), portId, textOfKey(ip.address))
    return { port_id: portId, fixed_address: ip.address, router_id: routerId }
  }

  const create = async (tx: Db, caller: Caller, wanted: z.output<typeof creation>): Promise<FloatingIp> => {
    const network = await findNetwork(tx, kind, caller, wanted.floating_network_id)
    if (!network) throw missing('Network', wanted.floating_network_id)
    if (network.external !== 1) throw badOf('floatingip', `Network ${network.id} is not a valid external network`)
    const projectId = projectFor(caller, wanted)
    await mustFit(tx, kind, projectId, 'floatingip')
    const subnets = await lockSubnets(tx, kind, network.id)
    if (!subnets.some(({ ip_version: version }) => version === 4))
      throw badOf('floatingip', `Network ${network.id} does not contain any IPv4 subnet`)
    const id = randomUUID()
    const wish = {
      ...(wanted.subnet_id ? { subnet_id: wanted.subnet_id } : {}),
      ...(wanted.floating_ip_address ? { ip_address: wanted.floating_ip_address } : {}),
    }
    const port = await makeServicePort(tx, ctx, {
      projectId: '',
      networkId: network.id,
      deviceId: id,
      deviceOwner: FLOATING_OWNER,
      wishes: Object.keys(wish).length > 0 ? [wish] : undefined,
      mayBeGateway: false,
      version: 4,
    })
    const now = ctx.clock.now()
    const row = {
      id,
      project_id: projectId,
      description: wanted.description ?? '',
      network_id: network.id,
      address: port.addresses[0]?.address ?? '',
      floating_port_id: port.id,
      created_at: now,
      updated_at: now,
      revision: 1,
    }
    const target = wanted.port_id ? await targetOf(tx, caller, row, wanted.port_id, wanted.fixed_ip_address) : NOWHERE
    await tx
      .insertInto('floatingips')
      .values({ ...row, ...target })
      .execute()
    await addTags(tx, id, wanted.tags ?? [])
    return visible(tx, caller, id)
  }

  crudRoutes(app, ctx, {
    path: '/v2.0/floatingips',
    one: 'floatingip',
    many: 'floatingips',
    parseList: (query) => parseList(query, 'floatingips', floatingIpColumns, floatingIpSpecials),
    list: async (caller, list) => (await listFloatingIps(kysely, kind, caller, list)).map(floatingIpView),
    show: async (caller, id) => floatingIpView(await visible(kysely, caller, id)),

    create: async (caller, body) => {
      const wanted = bodyOf('floatingip', creation, body)
      mustMayTag(caller, wanted.tags)
      mustNameBoth(wanted)
      if (wanted.floating_ip_address && !privileged(caller) && !caller.roles.has('manager'))
        throw disallowed('create_floatingip:floating_ip_address')
      const made = await kysely.transaction().execute((tx) => create(tx, caller, wanted))
      ctx.changes.note('router', made.router_id ? [made.router_id] : [])
      return floatingIpView(made)
    },

    update: async (caller, id, body, revision) => {
      const wanted = bodyOf('floatingip', changes, body)
      const [before, after] = await kysely.transaction().execute(async (tx) => {
        const known = await visible(tx, caller, id)
        const portId = wanted.port_id === undefined ? known.port_id : wanted.port_id
        mustNameBoth({ ...wanted, port_id: portId })
        const targeted = wanted.port_id !== undefined || wanted.fixed_ip_address !== undefined
        const target = !targeted
          ? {}
          : portId
            ? await targetOf(tx, caller, known, portId, wanted.fixed_ip_address)
            : NOWHERE
        const { numUpdatedRows } = await tx
          .updateTable('floatingips')
          .set((eb) => ({
            ...target,
            ...(wanted.description === undefined ? {} : { description: wanted.description }),
            updated_at: ctx.clock.now(),
            revision: eb('revision', '+', 1),
          }))
          .where('id', '=', id)
          .$if(revision !== undefined, (query) => query.where('revision', '=', revision ?? 0))
          .executeTakeFirst()
        if (numUpdatedRows === 0n) throw revision === undefined ? missing('FloatingIP', id) : changedMeanwhile()
        return [known, await visible(tx, caller, id)] as const
      })
      ctx.changes.note('router', new Set([before, after].flatMap(({ router_id: router }) => router ?? [])))
      return floatingIpView(after)
    },

    remove: async (caller, id) => {
      const gone = await kysely.transaction().execute(async (tx) => {
        const known = await visible(tx, caller, id)
        const { numDeletedRows } = await tx.deleteFrom('floatingips').where('id', '=', id).executeTakeFirst()
        if (numDeletedRows === 0n) throw missing('FloatingIP', id)
        await removeServicePort(tx, known.floating_port_id)
        await removeTags(tx, id)
        return known
      })
      ctx.changes.note('router', gone.router_id ? [gone.router_id] : [])
    },
  })
}

/** Errors: 400 for an address of no port. */
function mustNameBoth({ port_id: port, fixed_ip_address: fixed }: z.output<typeof changes>): void {
  if (fixed && !port) throw badOf('floatingip', 'fixed_ip_address cannot be specified without a port_id')
}
