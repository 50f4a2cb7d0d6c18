/** `/v2.0/ports`: made with their addresses in one transaction, bound to hosts by admins and services only. */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { owns, privileged, type Caller } from '../../openstack/caller.ts'
import { fromJson, strings } from '../../openstack/json-column.ts'
import { projectFor, type Db, type NetworkContext } from '../context.ts'
import {
  changedMeanwhile,
  disallowed,
  groupsNeedSecurity,
  macInUse,
  missing,
  pairsNeedSecurity,
  portBound,
  portHasGroups,
} from '../errors.ts'
import { parseList } from '../list-query.ts'
import { allocate, lockSubnets, reallocate, type Allocation } from '../store/allocate.ts'
import { disassociate } from '../store/floating-ips.ts'
import {
  findPort,
  insertPort,
  listPorts,
  lockPort,
  portColumns,
  portSpecials,
  writeGroups,
  type Port,
} from '../store/ports.ts'
import { mustFit } from '../store/quotas.ts'
import { defaultGroupId } from '../store/security-groups.ts'
import { addTags, removeTags } from '../store/tags.ts'
import { portView } from '../views.ts'
import { crudRoutes } from './crud.ts'
import { bodyOf } from './fields.ts'
import {
  columnsOf,
  dhcpOptionsOf,
  pairsOf,
  portChanges,
  portCreation,
  type DhcpOption,
  type PortChanges,
  type PortCreation,
} from './port-fields.ts'
import {
  checkedGroups,
  isOfRouter,
  isTrusted,
  mustBeFree,
  mustKeepFloating,
  mustMayShape,
  mustOwnFloating,
} from './port-rules.ts'
import { mustMayTag } from './reserved-tags.ts'

/** What the rules of others that name a port's groups depend on. */
const MEMBERSHIP = ['fixed_ips', 'group_ids', 'allowed_address_pairs', 'mac_address'] as const
type PortState = Pick<Port, 'id' | 'host_id' | 'device_id' | 'device_owner' | (typeof MEMBERSHIP)[number]>

const addressesOf = ({ fixed_ips: json }: Pick<Port, 'fixed_ips'>) => JSON.parse(json) as readonly Allocation[]

export function portRoutes(app: FastifyInstance, ctx: NetworkContext): void {
  const { kysely, kind } = ctx.database

  const visible = async (db: Db, caller: Caller, id: string): Promise<Port> => {
    const port = await findPort(db, kind, caller, id)
    if (!port) throw missing('Port', id)
    return port
  }
  /** Tells who brings hosts up to date; a port that is none yet, or no more, is undefined. */
  const noteChange = (old: PortState | undefined, now: PortState | undefined): void => {
    const states = [old, now].filter((state) => state !== undefined)
    ctx.changes.note('port', new Set(states.flatMap(({ id, host_id: host }) => (host === '' ? [] : [id]))))
    ctx.changes.note(
      'router',
      new Set(states.flatMap((state) => (isOfRouter(state.device_owner) ? [state.device_id] : []))),
    )
    const [before = '', after = ''] = [old, now].map((state) => state && MEMBERSHIP.map((field) => state[field]).join())
    if (before !== after)
      ctx.changes.note('members', new Set(states.flatMap(({ group_ids: groups }) => strings(groups))))
  }
  const search = async (
    db: Db,
    port: { id: string; project_id: string; network_id: string; mac_address: string; device_owner: string },
    { project_id: owner }: { readonly project_id: string },
  ) => ({
    db,
    networkId: port.network_id,
    subnets: await lockSubnets(db, kind, port.network_id),
    cursors: ctx.cursors,
    portId: port.id,
    mac: port.mac_address,
    // A port of the network's own project may become a router's.
    mayBeGateway: isTrusted(port.device_owner) || port.project_id === owner,
  })

  /** A network to put a port on. Errors: 404; 403 for one that is seen only because it leads outside. */
  const networkFor = async (tx: Db, caller: Caller, id: string) => {
    const network = await tx
      .selectFrom('networks')
      .select(['id', 'project_id', 'shared', 'external', 'port_security_enabled'])
      .where('id', '=', id)
      // Against a network that is being deleted; on SQLite this transaction is alone already.
      .$if(kind === 'postgresql', (query) => query.forShare())
      .executeTakeFirst()
    if (network && (privileged(caller) || network.shared === 1 || network.project_id === caller.projectId))
      return network
    if (network?.external === 1) throw disallowed('create_port')
    throw missing('Network', id)
  }

  const create = async (tx: Db, caller: Caller, wanted: PortCreation) => {
    const projectId = projectFor(caller, wanted)
    const network = await networkFor(tx, caller, wanted.network_id)
    mustMayShape(caller, wanted, network, 'create')
    mustMayTag(caller, wanted.tags)
    const trusted = isTrusted(wanted.device_owner ?? '')
    const secured = !trusted && (wanted.port_security_enabled ?? network.port_security_enabled === 1)
    if (!secured && wanted.security_groups?.length) throw groupsNeedSecurity()
    if (!secured && wanted.allowed_address_pairs?.length) throw pairsNeedSecurity()
    await mustFit(tx, kind, projectId, 'port')
    const groups = wanted.security_groups
      ? await checkedGroups(tx, wanted.security_groups, projectId)
      : secured
        ? [await defaultGroupId(tx, ctx, projectId)]
        : []
    const now = ctx.clock.now()
    const row = {
      id: randomUUID(),
      project_id: projectId,
      network_id: network.id,
      name: wanted.name ?? '',
      description: wanted.description ?? '',
      admin_state_up: Number(wanted.admin_state_up ?? true),
      device_id: wanted.device_id ?? '',
      device_owner: wanted.device_owner ?? '',
      host_id: wanted['binding:host_id'] ?? '',
      vnic_type: wanted['binding:vnic_type'] ?? 'normal',
      profile: JSON.stringify(wanted['binding:profile'] ?? {}),
      port_security_enabled: Number(secured),
      dns_name: wanted.dns_name ?? '',
      extra_dhcp_opts: dhcpOptionsOf([], wanted.extra_dhcp_opts),
      allowed_address_pairs: '[]',
      created_at: now,
      updated_at: now,
      revision: 1,
    }
    const macAddress = await insertPort(tx, row, wanted.mac_address)
    const made = {
      ...row,
      mac_address: macAddress,
      allowed_address_pairs: pairsOf(wanted.allowed_address_pairs, macAddress),
    }
    if (made.allowed_address_pairs !== '[]')
      await tx
        .updateTable('ports')
        .set({ allowed_address_pairs: made.allowed_address_pairs })
        .where('id', '=', row.id)
        .execute()
    const fixed = await allocate(await search(tx, made, network), wanted.fixed_ips)
    await writeGroups(tx, row.id, groups)
    await addTags(tx, row.id, wanted.tags ?? [])
    return {
      ...made,
      shown_status: row.host_id === '' || row.admin_state_up === 0 ? 'DOWN' : 'ACTIVE',
      fixed_ips: JSON.stringify(fixed),
      group_ids: JSON.stringify(groups),
      tags: JSON.stringify([...new Set(wanted.tags)].toSorted()),
    }
  }

  const update = async (caller: Caller, id: string, body: unknown, revision: number | undefined) => {
    const wanted = bodyOf('port', portChanges, body)
    const [port, changed] = await kysely.transaction().execute(async (tx) => {
      await lockPort(tx, kind, id)
      const port = await visible(tx, caller, id)
      if (!owns(caller, port.project_id)) throw disallowed('update_port')
      const network = await tx
        .selectFrom('networks')
        .select('project_id')
        .where('id', '=', port.network_id)
        .executeTakeFirstOrThrow()
      mustMayShape(caller, wanted, network, 'update')
      if (
        wanted.device_id !== undefined ||
        wanted.device_owner !== undefined ||
        wanted.fixed_ips ||
        wanted['binding:host_id']
      )
        await mustBeFree(tx, port)
      if (wanted.fixed_ips) await mustKeepFloating(tx, port, wanted.fixed_ips)
      const { numUpdatedRows } = await tx
        .updateTable('ports')
        .set((eb) => ({
          updated_at: ctx.clock.now(),
          revision: eb('revision', '+', 1),
          ...columnsOf(wanted),
          ...derivedColumns(port, wanted),
        }))
        .where('id', '=', id)
        .$if(revision !== undefined, (query) => query.where('revision', '=', revision ?? 0))
        .executeTakeFirst()
      if (numUpdatedRows === 0n) throw revision === undefined ? missing('Port', id) : changedMeanwhile()
      if (wanted.mac_address !== undefined && wanted.mac_address !== port.mac_address)
        await changeMac(tx, port, wanted.mac_address)
      if (wanted.fixed_ips) await reallocate(await search(tx, port, network), addressesOf(port), wanted.fixed_ips)
      if (wanted.security_groups !== undefined) {
        const groups = await checkedGroups(tx, wanted.security_groups ?? [], port.project_id)
        await tx.deleteFrom('port_security_groups').where('port_id', '=', id).execute()
        await writeGroups(tx, id, groups)
      }
      const changed = await visible(tx, caller, id)
      if (changed.port_security_enabled === 0) {
        if (changed.group_ids !== '[]') throw portHasGroups()
        if (changed.allowed_address_pairs !== '[]') throw pairsNeedSecurity()
      }
      return [port, changed] as const
    })
    noteChange(port, changed)
    return portView(changed, caller)
  }

  const derivedColumns = (port: Port, wanted: PortChanges) => ({
    ...(wanted.allowed_address_pairs === undefined
      ? {}
      : { allowed_address_pairs: pairsOf(wanted.allowed_address_pairs, wanted.mac_address ?? port.mac_address) }),
    ...(wanted.extra_dhcp_opts === undefined
      ? {}
      : { extra_dhcp_opts: dhcpOptionsOf(fromJson(port.extra_dhcp_opts) as DhcpOption[], wanted.extra_dhcp_opts) }),
  })

  const changeMac = async (tx: Db, port: Port, wanted: string): Promise<void> => {
    if (port.host_id !== '') throw portBound(port.id, port.mac_address, wanted)
    const other = await tx
      .selectFrom('ports')
      .select('id')
      .where('network_id', '=', port.network_id)
      .where('mac_address', '=', wanted)
      .executeTakeFirst()
    if (other) throw macInUse(port.network_id, wanted)
    await tx.updateTable('ports').set({ mac_address: wanted }).where('id', '=', port.id).execute()
  }

  crudRoutes(app, ctx, {
    path: '/v2.0/ports',
    one: 'port',
    many: 'ports',
    parseList: (query) => parseList(query, 'ports', portColumns, portSpecials),
    list: async (caller, list) => {
      const asked = [...list.filters, ...list.sort].some(({ field }) => field === 'binding:host_id')
      if (asked && !privileged(caller)) throw disallowed('get_port:binding:host_id')
      return (await listPorts(kysely, kind, caller, list)).map((row) => portView(row, caller))
    },
    show: async (caller, id) => portView(await visible(kysely, caller, id), caller),
    create: async (caller, body) => {
      const wanted = bodyOf('port', portCreation, body)
      const port = await kysely.transaction().execute((tx) => create(tx, caller, wanted))
      noteChange(undefined, port)
      return portView(port, caller)
    },
    createMany: async (caller, bodies) => {
      const all = bodies.map((port) => bodyOf('port', portCreation, { port }))
      const ports = await kysely.transaction().execute(async (tx) => {
        const made: Port[] = []
        for (const wanted of all) made.push(await create(tx, caller, wanted))
        return made
      })
      for (const port of ports) noteChange(undefined, port)
      return ports.map((port) => portView(port, caller))
    },
    update,
    remove: async (caller, id) => {
      const [port, routers] = await kysely.transaction().execute(async (tx) => {
        await lockPort(tx, kind, id)
        const found = await visible(tx, caller, id)
        await mustBeFree(tx, found)
        if (!privileged(caller)) await mustOwnFloating(tx, found)
        const routers = await disassociate(tx, id, ctx.clock.now())
        const { numDeletedRows } = await tx.deleteFrom('ports').where('id', '=', id).executeTakeFirst()
        if (numDeletedRows === 0n) throw missing('Port', id)
        await removeTags(tx, id)
        return [found, routers] as const
      })
      noteChange(port, undefined)
      ctx.changes.note('router', routers)
    },
  })
}
