/** `/v2.0/ports`: made with their addresses in one transaction, bound to hosts by admins and services only. */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { privileged, type Caller } from '../../openstack/caller.ts'
import { strings } from '../../openstack/json-column.ts'
import { keyOf, parseAddress } from '../address.ts'
import { projectFor, type Db, type NetworkContext } from '../context.ts'
import {
  badOf,
  changedMeanwhile,
  disallowed,
  invalid,
  macInUse,
  missing,
  servicePort,
  stillFloating,
} from '../errors.ts'
import { parseList } from '../list-query.ts'
import { allocate, lockSubnets, reallocate, type Allocation, type Wanted } from '../store/allocate.ts'
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
import { FLOATING_OWNER } from '../store/routers.ts'
import { defaultGroupId } from '../store/security-groups.ts'
import { addTags, removeTags } from '../store/tags.ts'
import { portView } from '../views.ts'
import { crudRoutes } from './crud.ts'
import { address, bodyOf, flag, mac, project, tags, text } from './fields.ts'

const changeable = {
  name: text.optional(),
  description: text.optional(),
  admin_state_up: flag.optional(),
  device_id: text.optional(),
  device_owner: text.optional(),
  fixed_ips: z
    .array(z.strictObject({ subnet_id: text.optional(), ip_address: address.optional() }))
    .max(20)
    .optional(),
  security_groups: z.array(text).max(50).nullish(),
  port_security_enabled: flag.optional(),
  allowed_address_pairs: z
    .array(z.strictObject({ ip_address: z.string().max(64), mac_address: mac.optional() }))
    .max(50)
    .optional(),
  extra_dhcp_opts: z
    .array(
      z.strictObject({
        opt_name: text,
        opt_value: text.nullable(),
        ip_version: z.union([z.literal(4), z.literal(6)]).optional(),
      }),
    )
    .max(50)
    .optional(),
  dns_name: text.optional(),
  mac_address: mac.optional(),
  'binding:host_id': text.nullish(),
  'binding:vnic_type': z
    .enum(['normal', 'direct', 'direct-physical', 'macvtap', 'baremetal', 'vdpa', 'remote-managed'])
    .optional(),
  'binding:profile': z.record(z.string(), z.unknown()).nullish(),
}
const changes = z.strictObject(changeable)
const creation = z.strictObject({
  ...changeable,
  network_id: text,
  project_id: project,
  tenant_id: project,
  tags: tags.optional(),
})
type Changes = z.output<typeof changes>

const MAX_BULK = 100

/** What the rules of others that name a port's groups depend on. */
const MEMBERSHIP = ['fixed_ips', 'group_ids', 'allowed_address_pairs', 'mac_address'] as const
type PortState = Pick<Port, 'id' | 'host_id' | 'device_id' | 'device_owner' | (typeof MEMBERSHIP)[number]>
const isOfRouter = ({ device_owner: owner }: Pick<Port, 'device_owner'>): boolean => owner.startsWith('network:router')

interface OfNetwork {
  readonly project_id: string
  readonly port_security_enabled: number
}

/** What only the network's owner, an admin or a service may say about a port: it weakens the protection of the others on it. */
function mustMayShape(caller: Caller, wanted: Changes, network: OfNetwork, verb: string): void {
  if (isOfRouter({ device_owner: wanted.device_owner ?? '' }) || wanted.device_owner === FLOATING_OWNER)
    throw invalid(`ports with the device owner ${wanted.device_owner} are made with routers and floating IPs`)
  if (privileged(caller)) return
  if (wanted['binding:host_id']) throw disallowed(`${verb}_port:binding:host_id`)
  if (wanted['binding:profile'] && Object.keys(wanted['binding:profile']).length > 0)
    throw disallowed(`${verb}_port:binding:profile`)
  if (network.project_id === caller.projectId) return
  if (wanted.mac_address !== undefined) throw disallowed(`${verb}_port:mac_address`)
  if (wanted.port_security_enabled !== undefined) throw disallowed(`${verb}_port:port_security_enabled`)
  if (wanted.allowed_address_pairs?.length) throw disallowed(`${verb}_port:allowed_address_pairs`)
  if (wanted.device_owner?.startsWith('network:')) throw disallowed(`${verb}_port:device_owner`)
}

const addressesOf = ({ fixed_ips: json }: Pick<Port, 'fixed_ips'>) => JSON.parse(json) as readonly Allocation[]

/** Errors: 409 for a port that a router or a floating IP has: those are changed and deleted over them. */
async function mustBeFree(tx: Db, { id, device_owner: owner }: Port): Promise<void> {
  if (!owner.startsWith('network:')) return
  const [router, floating] = await Promise.all([
    tx.selectFrom('router_ports').select('router_id').where('port_id', '=', id).executeTakeFirst(),
    tx.selectFrom('floatingips').select('id').where('floating_port_id', '=', id).limit(1).executeTakeFirst(),
  ])
  if (router || floating) throw servicePort(id, owner)
}

/** Errors: 409 for a port that another project's floating IP leads to. */
async function mustOwnFloating(tx: Db, { id, project_id: projectId }: Port): Promise<void> {
  const foreign = await tx
    .selectFrom('floatingips')
    .select('id')
    .where('port_id', '=', id)
    .where('project_id', '!=', projectId)
    .limit(1)
    .executeTakeFirst()
  if (foreign) throw stillFloating(id)
}

/** Errors: 400 when an address would go that a floating IP leads to. */
async function mustKeepFloating(tx: Db, { id }: Port, wishes: readonly Wanted[]): Promise<void> {
  const rows = await tx.selectFrom('floatingips').select('fixed_address').where('port_id', '=', id).execute()
  const kept = new Set(wishes.flatMap(({ ip_address: text }) => keyOfText(text) ?? []))
  if (rows.some(({ fixed_address: key }) => key !== null && !kept.has(key)))
    throw badOf('port', `a floating IP leads to an address of port ${id} that would go`)
}
const keyOfText = (text: string | undefined): string | undefined => {
  const parsedAddress = text === undefined ? undefined : parseAddress(text)
  return parsedAddress && keyOf(parsedAddress.version, parsedAddress.value)
}

/** Ids of groups that exist in the port's project. Errors: 404. */
async function checkedGroups(db: Db, ids: readonly string[], projectId: string): Promise<readonly string[]> {
  if (ids.length === 0) return []
  const rows = await db
    .selectFrom('security_groups')
    .select('id')
    .where('id', 'in', [...new Set(ids)])
    .where('project_id', '=', projectId)
    .execute()
  const known = new Set(rows.map(({ id }) => id))
  for (const id of ids) if (!known.has(id)) throw missing('SecurityGroup', id)
  return [...known].toSorted()
}

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
    ctx.changes.note('router', new Set(states.flatMap((state) => (isOfRouter(state) ? [state.device_id] : []))))
    const [before = '', after = ''] = [old, now].map((state) => state && MEMBERSHIP.map((field) => state[field]).join())
    if (before !== after)
      ctx.changes.note('members', new Set(states.flatMap(({ group_ids: groups }) => strings(groups))))
  }
  const search = async (
    db: Db,
    port: { id: string; network_id: string; mac_address: string; device_owner: string },
  ) => ({
    db,
    networkId: port.network_id,
    subnets: await lockSubnets(db, kind, port.network_id),
    cursors: ctx.cursors,
    portId: port.id,
    mac: port.mac_address,
    router: port.device_owner.startsWith('network:'),
  })

  const create = async (tx: Db, caller: Caller, wanted: z.output<typeof creation>) => {
    const projectId = projectFor(caller, wanted)
    const network = await tx
      .selectFrom('networks')
      .select(['id', 'project_id', 'shared', 'port_security_enabled'])
      .where('id', '=', wanted.network_id)
      // Against a network that is being deleted; on SQLite this transaction is alone already.
      .$if(kind === 'postgresql', (query) => query.forShare())
      .executeTakeFirst()
    const usable = network && (privileged(caller) || network.shared === 1 || network.project_id === caller.projectId)
    if (!usable) throw missing('Network', wanted.network_id)
    mustMayShape(caller, wanted, network, 'create')
    const secured = wanted.port_security_enabled ?? network.port_security_enabled === 1
    if (!secured && wanted.security_groups?.length) throw invalid('a port without port security has no security groups')
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
      extra_dhcp_opts: JSON.stringify(wanted.extra_dhcp_opts ?? []),
      allowed_address_pairs: JSON.stringify(wanted.allowed_address_pairs ?? []),
      created_at: now,
      updated_at: now,
      revision: 1,
    }
    const macAddress = await insertPort(tx, row, wanted.mac_address)
    const made = { ...row, mac_address: macAddress }
    const fixed = await allocate(await search(tx, made), wanted.fixed_ips)
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
    const wanted = bodyOf('port', changes, body)
    const [port, changed] = await kysely.transaction().execute(async (tx) => {
      const port = await visible(tx, caller, id)
      const network = await tx
        .selectFrom('networks')
        .select(['project_id', 'port_security_enabled'])
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
        .set((eb) => ({ updated_at: ctx.clock.now(), revision: eb('revision', '+', 1), ...columnsOf(wanted) }))
        .where('id', '=', id)
        .$if(revision !== undefined, (query) => query.where('revision', '=', revision ?? 0))
        .executeTakeFirst()
      if (numUpdatedRows === 0n) throw revision === undefined ? missing('Port', id) : changedMeanwhile()
      if (wanted.mac_address !== undefined && wanted.mac_address !== port.mac_address)
        await changeMac(tx, port, wanted.mac_address)
      if (wanted.fixed_ips) await reallocate(await search(tx, port), addressesOf(port), wanted.fixed_ips)
      if (wanted.security_groups !== undefined) {
        const groups = await checkedGroups(tx, wanted.security_groups ?? [], port.project_id)
        await tx.deleteFrom('port_security_groups').where('port_id', '=', id).execute()
        await writeGroups(tx, id, groups)
      }
      const changed = await visible(tx, caller, id)
      if (changed.port_security_enabled === 0 && changed.group_ids !== '[]')
        throw invalid('a port without port security has no security groups')
      return [port, changed] as const
    })
    noteChange(port, changed)
    return portView(changed, caller)
  }

  const changeMac = async (tx: Db, port: Port, wanted: string): Promise<void> => {
    if (port.host_id !== '') throw invalid('the MAC address of a bound port cannot be changed')
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
    list: async (caller, list) => (await listPorts(kysely, kind, caller, list)).map((row) => portView(row, caller)),
    show: async (caller, id) => portView(await visible(kysely, caller, id), caller),
    create: async (caller, body) => {
      const wanted = bodyOf('port', creation, body)
      const port = await kysely.transaction().execute((tx) => create(tx, caller, wanted))
      noteChange(undefined, port)
      return portView(port, caller)
    },
    createMany: async (caller, bodies) => {
      const all = bodies.slice(0, MAX_BULK + 1).map((port) => bodyOf('port', creation, { port }))
      if (all.length > MAX_BULK) throw invalid(`at most ${MAX_BULK} ports are made at once`)
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

/** The columns that a change names. */
const columnsOf = (wanted: Changes) => ({
  ...(wanted.name === undefined ? {} : { name: wanted.name }),
  ...(wanted.description === undefined ? {} : { description: wanted.description }),
  ...(wanted.admin_state_up === undefined ? {} : { admin_state_up: Number(wanted.admin_state_up) }),
  ...(wanted.device_id === undefined ? {} : { device_id: wanted.device_id }),
  ...(wanted.device_owner === undefined ? {} : { device_owner: wanted.device_owner }),
  ...(wanted['binding:host_id'] === undefined ? {} : { host_id: wanted['binding:host_id'] ?? '' }),
  ...(wanted['binding:vnic_type'] === undefined ? {} : { vnic_type: wanted['binding:vnic_type'] }),
  ...(wanted['binding:profile'] === undefined ? {} : { profile: JSON.stringify(wanted['binding:profile'] ?? {}) }),
  ...(wanted.port_security_enabled === undefined
    ? {}
    : { port_security_enabled: Number(wanted.port_security_enabled) }),
  ...(wanted.allowed_address_pairs === undefined
    ? {}
    : { allowed_address_pairs: JSON.stringify(wanted.allowed_address_pairs) }),
  ...(wanted.extra_dhcp_opts === undefined ? {} : { extra_dhcp_opts: JSON.stringify(wanted.extra_dhcp_opts) }),
  ...(wanted.dns_name === undefined ? {} : { dns_name: wanted.dns_name }),
})
