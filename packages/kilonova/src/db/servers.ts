/** Servers: rows in and out. States are written by `transition` alone; every other column by a statement that names it. */
import { sql, type Insertable, type Selectable, type Updateable } from 'kysely'
import type { Flavor } from '../domain/flavor.ts'
import type { Address, RequestedNic, Rescued, Server, ServerFault, ServerImage, Shelved } from '../domain/server.ts'
import type { PowerState, TaskState, VmState } from '../domain/states.ts'
import type { Db } from './database.ts'
import { setAddressTerms, setTerms } from './server-terms.ts'
import type { ServersTable } from './tables.ts'

export type ServerRow = Selectable<ServersTable>

export const toServer = (row: ServerRow): Server => ({
  id: row.id,
  name: row.name,
  description: row.description,
  hostname: row.hostname,
  projectId: row.project_id,
  userId: row.user_id,
  vmState: row.vm_state as VmState,
  taskState: row.task_state as TaskState,
  powerState: row.power_state as PowerState,
  taskId: row.task_id,
  epoch: row.epoch,
  host: row.host,
  hypervisorHostname: row.hypervisor_hostname,
  availabilityZone: row.availability_zone,
  pinnedZone: row.pinned_zone,
  schedulerHints: JSON.parse(row.scheduler_hints) as Server['schedulerHints'],
  flavor: JSON.parse(row.flavor) as Flavor,
  image: row.image === null ? null : (JSON.parse(row.image) as ServerImage),
  localDisks: row.local_disks === null ? null : (JSON.parse(row.local_disks) as Server['localDisks']),
  keyName: row.key_name,
  keyType: row.key_type,
  publicKey: row.public_key,
  userData: row.user_data,
  injectedFiles: JSON.parse(row.injected_files) as Server['injectedFiles'],
  bootRoles: JSON.parse(row.boot_roles) as string[],
  configDrive: row.config_drive === 1,
  metadata: JSON.parse(row.metadata) as Record<string, string>,
  tags: JSON.parse(row.tags) as string[],
  groupId: row.group_id,
  requestedNics: JSON.parse(row.requested_nics) as Server['requestedNics'],
  securityGroups: JSON.parse(row.security_groups) as string[],
  addresses: JSON.parse(row.addresses) as Address[],
  accessIpV4: row.access_ip_v4,
  accessIpV6: row.access_ip_v6,
  diskConfig: row.disk_config as Server['diskConfig'],
  reservationId: row.reservation_id,
  launchIndex: row.launch_index,
  rootDeviceName: row.root_device_name,
  locked: row.locked === 1,
  lockedBy: row.locked_by as Server['lockedBy'],
  lockedReason: row.locked_reason,
  progress: row.progress,
  shelved: row.shelved === null ? null : (JSON.parse(row.shelved) as Shelved),
  rescue: row.rescue === null ? null : (JSON.parse(row.rescue) as Rescued),
  fault: row.fault === null ? null : (JSON.parse(row.fault) as ServerFault),
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  launchedAt: row.launched_at,
  terminatedAt: row.terminated_at,
  deletedAt: row.deleted_at,
})

/** What a new server is made of: everything but what its life will write. */
export type NewServer = Omit<
  Server,
  | 'taskId'
  | 'epoch'
  | 'host'
  | 'hypervisorHostname'
  | 'addresses'
  | 'locked'
  | 'lockedBy'
  | 'lockedReason'
  | 'progress'
  | 'shelved'
  | 'rescue'
  | 'fault'
  | 'updatedAt'
  | 'launchedAt'
  | 'terminatedAt'
  | 'deletedAt'
  | 'injectedFiles'
  | 'bootRoles'
  | 'tags'
  | 'groupId'
> &
  Partial<Pick<Server, 'injectedFiles' | 'bootRoles' | 'tags' | 'groupId'>>

export async function insertServer(db: Db, server: NewServer, taskId: string): Promise<void> {
  const row: Insertable<ServersTable> = {
    id: server.id,
    name: server.name,
    description: server.description,
    hostname: server.hostname,
    project_id: server.projectId,
    user_id: server.userId,
    vm_state: server.vmState,
    task_state: server.taskState,
    power_state: server.powerState,
    task_id: taskId,
    epoch: 0,
    host: null,
    hypervisor_hostname: null,
    availability_zone: server.availabilityZone,
    pinned_zone: server.pinnedZone,
    scheduler_hints: JSON.stringify(server.schedulerHints),
    local_disks: server.localDisks === null ? null : JSON.stringify(server.localDisks),
    flavor_id: server.flavor.id,
    flavor: JSON.stringify(server.flavor),
    vcpus: server.flavor.vcpus,
    memory_mb: server.flavor.memoryMb,
    image_id: server.image?.id ?? null,
    image: server.image === null ? null : JSON.stringify(server.image),
    key_name: server.keyName,
    key_type: server.keyType,
    public_key: server.publicKey,
    user_data: server.userData,
    injected_files: JSON.stringify(server.injectedFiles ?? []),
    boot_roles: JSON.stringify(server.bootRoles ?? []),
    config_drive: Number(server.configDrive),
    metadata: JSON.stringify(server.metadata),
    tags: JSON.stringify(server.tags ?? []),
    group_id: server.groupId ?? null,
    requested_nics: JSON.stringify(server.requestedNics),
    security_groups: JSON.stringify(server.securityGroups),
    addresses: '[]',
    access_ip_v4: server.accessIpV4,
    access_ip_v6: server.accessIpV6,
    disk_config: server.diskConfig,
    reservation_id: server.reservationId,
    launch_index: server.launchIndex,
    root_device_name: server.rootDeviceName,
    locked: 0,
    progress: 0,
    fault: null,
    created_at: server.createdAt,
    updated_at: server.createdAt,
    launched_at: null,
    terminated_at: null,
    deleted_at: null,
  }
  await db.insertInto('servers').values(row).execute()
  if (server.tags?.length) await setTerms(db, server.id, 'tag', server.tags)
}

/** The server, a deleted one only when asked for. */
export async function findServer(db: Db, id: string, { deleted = false } = {}): Promise<Server | undefined> {
  const row = await db.selectFrom('servers').selectAll().where('id', '=', id).executeTakeFirst()
  return row && (deleted || row.deleted_at === null) ? toServer(row) : undefined
}

/** What `transition` compares before it writes. */
export type Standing = Pick<Server, 'id' | 'vmState' | 'taskState' | 'taskId'>
export interface Move {
  readonly vmState?: VmState
  readonly taskState?: TaskState
  readonly powerState?: PowerState
  readonly taskId?: string | null
}

/**
 * The only writer of vmState, taskState, powerState and the owning task: a compare-and-swap on all but the power state. False: somebody
 * else moved the server first, nothing was written. What follows from a move (launched, terminated, deleted at) is written with it.
 */
export async function transition(db: Db, from: Standing, to: Move, now: number): Promise<boolean> {
  const values: Updateable<ServersTable> = { updated_at: now }
  if (to.vmState !== undefined) values.vm_state = to.vmState
  if (to.taskState !== undefined) values.task_state = to.taskState
  if (to.powerState !== undefined) values.power_state = to.powerState
  if (to.taskId !== undefined) values.task_id = to.taskId
  if (from.vmState === 'building' && to.vmState === 'active') values.launched_at = now
  if (to.vmState === 'soft-delete') values.soft_deleted_at = now
  else if (from.vmState === 'soft-delete' && to.vmState !== undefined) values.soft_deleted_at = null
  if (to.vmState === 'deleted') Object.assign(values, { deleted_at: now, terminated_at: now })
  let update = db.updateTable('servers').set(values).where('id', '=', from.id).where('vm_state', '=', from.vmState)
  update =
    from.taskState === null ? update.where('task_state', 'is', null) : update.where('task_state', '=', from.taskState)
  update = from.taskId === null ? update.where('task_id', 'is', null) : update.where('task_id', '=', from.taskId)
  const { numUpdatedRows } = await update.executeTakeFirst()
  return numUpdatedRows === 1n
}

/** The next epoch of the server's tasks; each lease takes one. */
export async function nextEpoch(db: Db, serverId: string): Promise<number> {
  const row = await db
    .updateTable('servers')
    .set({ epoch: sql`epoch + 1` })
    .where('id', '=', serverId)
    .returning('epoch')
    .executeTakeFirst()
  if (!row) throw new Error(`server ${serverId} has a task but no row`)
  return row.epoch
}

export interface Placed {
  readonly host: string | null
  readonly hypervisorHostname: string | null
  readonly availabilityZone: string | null
}
export async function setPlace(db: Db, id: string, place: Placed): Promise<void> {
  await db
    .updateTable('servers')
    .set({ host: place.host, hypervisor_hostname: place.hypervisorHostname, availability_zone: place.availabilityZone })
    .where('id', '=', id)
    .execute()
}

export async function setAddresses(db: Db, id: string, addresses: readonly Address[]): Promise<void> {
  await db
    .updateTable('servers')
    .set({ addresses: JSON.stringify(addresses) })
    .where('id', '=', id)
    .execute()
  await setAddressTerms(db, id, addresses)
}

/** As users see them: the names of its ports' groups. */
export async function setSecurityGroups(db: Db, id: string, names: readonly string[]): Promise<void> {
  await db
    .updateTable('servers')
    .set({ security_groups: JSON.stringify(names) })
    .where('id', '=', id)
    .execute()
}

export async function setRequestedNics(db: Db, id: string, nics: readonly RequestedNic[]): Promise<void> {
  await db
    .updateTable('servers')
    .set({ requested_nics: JSON.stringify(nics) })
    .where('id', '=', id)
    .execute()
}

export async function setFault(db: Db, id: string, fault: ServerFault): Promise<void> {
  await db
    .updateTable('servers')
    .set({ fault: JSON.stringify(fault) })
    .where('id', '=', id)
    .execute()
}

export async function setPinnedZone(db: Db, id: string, zone: string | null): Promise<void> {
  await db.updateTable('servers').set({ pinned_zone: zone }).where('id', '=', id).execute()
}

export async function setShelved(db: Db, id: string, shelved: Shelved | null): Promise<void> {
  await db
    .updateTable('servers')
    .set({ shelved: shelved && JSON.stringify(shelved) })
    .where('id', '=', id)
    .execute()
}

export async function setRescue(db: Db, id: string, rescue: Rescued | null): Promise<void> {
  await db
    .updateTable('servers')
    .set({ rescue: rescue && JSON.stringify(rescue) })
    .where('id', '=', id)
    .execute()
}

/** What a rebuild changes. */
type RebuiltField =
  | 'name'
  | 'description'
  | 'hostname'
  | 'image'
  | 'keyName'
  | 'keyType'
  | 'publicKey'
  | 'userData'
  | 'injectedFiles'
  | 'metadata'
  | 'accessIpV4'
  | 'accessIpV6'
  | 'diskConfig'
/** What is absent stays. */
export type RebuiltServer = { readonly [Field in RebuiltField]?: Server[Field] | undefined }

export async function setRebuilt(db: Db, id: string, server: RebuiltServer, now: number): Promise<void> {
  const { name, description, hostname, image, injectedFiles, metadata } = server
  await db
    .updateTable('servers')
    .set({
      name,
      description,
      hostname,
      ...(image === undefined ? {} : { image_id: image?.id ?? null, image: image && JSON.stringify(image) }),
      key_name: server.keyName,
      key_type: server.keyType,
      public_key: server.publicKey,
      user_data: server.userData,
      injected_files: injectedFiles && JSON.stringify(injectedFiles),
      metadata: metadata && JSON.stringify(metadata),
      access_ip_v4: server.accessIpV4,
      access_ip_v6: server.accessIpV6,
      disk_config: server.diskConfig,
      updated_at: now,
    })
    .where('id', '=', id)
    .execute()
}

export async function setProgress(db: Db, id: string, percent: number): Promise<void> {
  await db.updateTable('servers').set({ progress: percent }).where('id', '=', id).execute()
}

/** Name, description and the like: what `PUT /servers/{id}` may change. */
export interface ServerChange {
  readonly name?: string
  readonly description?: string | null
  readonly hostname?: string
  readonly accessIpV4?: string | null
  readonly accessIpV6?: string | null
  readonly diskConfig?: Server['diskConfig']
}
export async function changeServer(db: Db, id: string, change: ServerChange, now: number): Promise<void> {
  const values: Updateable<ServersTable> = { updated_at: now }
  if (change.name !== undefined) values.name = change.name
  if (change.description !== undefined) values.description = change.description
  if (change.hostname !== undefined) values.hostname = change.hostname
  if (change.accessIpV4 !== undefined) values.access_ip_v4 = change.accessIpV4
  if (change.accessIpV6 !== undefined) values.access_ip_v6 = change.accessIpV6
  if (change.diskConfig !== undefined) values.disk_config = change.diskConfig
  await db.updateTable('servers').set(values).where('id', '=', id).execute()
}

export async function setMetadata(
  db: Db,
  id: string,
  metadata: Readonly<Record<string, string>>,
  now: number,
): Promise<void> {
  await db
    .updateTable('servers')
    .set({ metadata: JSON.stringify(metadata), updated_at: now })
    .where('id', '=', id)
    .execute()
}

export async function setTags(db: Db, id: string, tags: readonly string[], now: number): Promise<void> {
  await db
    .updateTable('servers')
    .set({ tags: JSON.stringify(tags), updated_at: now })
    .where('id', '=', id)
    .execute()
  await setTerms(db, id, 'tag', tags)
}

/** The names that guests know themselves by, by server. */
export async function hostnamesOf(db: Db, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>()
  for (let from = 0; from < ids.length; from += 1000) {
    const some = ids.slice(from, from + 1000)
    const rows = await db.selectFrom('servers').select(['id', 'hostname']).where('id', 'in', some).execute()
    for (const { id, hostname } of rows) names.set(id, hostname)
  }
  return names
}

/** The servers that live on a host. */
export async function serversOn(db: Db, host: string): Promise<readonly Server[]> {
  const rows = await db
    .selectFrom('servers')
    .selectAll()
    .where('host', '=', host)
    .where('deleted_at', 'is', null)
    .execute()
  return rows.map(toServer)
}

/** Null lets go of it. A reason of before stays where no other is given. */
export async function setLock(
  db: Db,
  id: string,
  lock: { readonly by: 'owner' | 'admin'; readonly reason: string | null } | null,
  now: number,
): Promise<void> {
  const values: Updateable<ServersTable> = lock
    ? { locked: 1, locked_by: lock.by, ...(lock.reason === null ? {} : { locked_reason: lock.reason }) }
    : { locked: 0, locked_by: null, locked_reason: null }
  await db
    .updateTable('servers')
    .set({ ...values, updated_at: now })
    .where('id', '=', id)
    .execute()
}

/** Idle servers that were soft-deleted by then, the oldest first. */
export async function softDeletedBy(db: Db, until: number, limit: number): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('servers')
    .select('id')
    .where('soft_deleted_at', '<=', until)
    .where('task_id', 'is', null)
    .where('deleted_at', 'is', null)
    .orderBy('soft_deleted_at')
    .limit(limit)
    .execute()
  return rows.map(({ id }) => id)
}

/** What the living servers of a project, or of one of its users, add up to, without those that are soft-deleted; quota is checked against this, inside the admitting transaction. */
export async function usedByProject(
  db: Db,
  projectId: string,
  userId?: string,
): Promise<{ readonly instances: number; readonly cores: number; readonly ram: number }> {
  let query = db
    .selectFrom('servers')
    .select(({ fn }) => [
      fn.countAll<number>().as('instances'),
      fn.sum<number>('vcpus').as('cores'),
      fn.sum<number>('memory_mb').as('ram'),
    ])
    .where('project_id', '=', projectId)
    .where('deleted_at', 'is', null)
    // A literal: the index of this is only for who says so.
    .where(sql<boolean>`vm_state <> 'soft-delete'`)
  if (userId !== undefined) query = query.where('user_id', '=', userId)
  const row = await query.executeTakeFirst()
  return { instances: Number(row?.instances ?? 0), cores: Number(row?.cores ?? 0), ram: Number(row?.ram ?? 0) }
}

/** Those in a state that no task has. */
export async function idleServers(db: Db, vmState: VmState): Promise<readonly Server[]> {
  const rows = await db
    .selectFrom('servers')
    .selectAll()
    .where('vm_state', '=', vmState)
    .where('task_id', 'is', null)
    .where('deleted_at', 'is', null)
    .execute()
  return rows.map(toServer)
}

/** Being made since before a moment, and not yet given up. */
export async function buildingSince(db: Db, before: number): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('servers')
    .select('id')
    .where('vm_state', '=', 'building')
    .where('task_id', 'is not', null)
    .where('created_at', '<', before)
    .where('deleted_at', 'is', null)
    .execute()
  return rows.map(({ id }) => id)
}

export async function serversOfProject(db: Db, projectId: string): Promise<readonly Server[]> {
  const rows = await db
    .selectFrom('servers')
    .selectAll()
    .where('project_id', '=', projectId)
    .where('deleted_at', 'is', null)
    .orderBy('number')
    .execute()
  return rows.map(toServer)
}

const CHUNK = 500

/** Where these servers are, deleted ones too; one that never was is missing. */
export async function placesOf(
  db: Db,
  ids: readonly string[],
): Promise<
  readonly { readonly id: string; readonly host: string | null; readonly deleted: boolean; readonly busy: boolean }[]
> {
  const places = []
  for (let from = 0; from < ids.length; from += CHUNK) {
    const some = ids.slice(from, from + CHUNK)
    const rows = await db
      .selectFrom('servers')
      .select(['id', 'host', 'deleted_at', 'task_id'])
      .where('id', 'in', some)
      .execute()
    places.push(
      ...rows.map((row) => ({
        id: row.id,
        host: row.host,
        deleted: row.deleted_at !== null,
        busy: row.task_id !== null,
      })),
    )
  }
  return places
}
