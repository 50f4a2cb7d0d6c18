/** Columns of a server's row other than its states: a statement each. */
import type { Updateable } from 'kysely'
import type { Address, RequestedNic, Rescued, Server, ServerFault, Shelved } from '../domain/server.ts'
import type { Db } from './database.ts'
import { setAddressTerms, setTerms } from './server-terms.ts'
import type { ServersTable } from './tables.ts'

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
