/** Servers: rows in and out. States are written by `transition` alone; every other column by a statement of server-columns.ts that names it. */
import { sql, type Insertable, type Selectable, type Updateable } from 'kysely'
import type { Flavor } from '../domain/flavor.ts'
import type { Address, Rescued, Server, ServerFault, ServerImage, Shelved } from '../domain/server.ts'
import type { PowerState, TaskState, VmState } from '../domain/states.ts'
import type { Db } from './database.ts'
import { setTerms } from './server-terms.ts'
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
