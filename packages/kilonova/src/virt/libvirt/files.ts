/** Where a host keeps the files of its servers: `<instances>/<server id>/…`, and cached images in `<instances>/_base/`. */
import { join } from 'node:path'

/** A server's id becomes a folder's name: nothing but a UUID may. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export interface ServerFiles {
  readonly folder: string
  readonly disk: string
  readonly configDrive: string
  readonly rescueDisk: string
  readonly consoleLog: string
  /** What UEFI keeps. */
  readonly nvram: string
}

export function serverFiles(instancesDir: string, serverId: string): ServerFiles {
  if (!UUID.test(serverId)) throw new TypeError(`not the id of a server: ${serverId.slice(0, 64)}`)
  const folder = join(instancesDir, serverId)
  return {
    folder,
    disk: join(folder, 'disk'),
    configDrive: join(folder, 'disk.config'),
    rescueDisk: join(folder, 'disk.rescue'),
    consoleLog: join(folder, 'console.log'),
    nvram: join(folder, 'nvram.fd'),
  }
}

/** A copy of the root disk, by its id: a UUID as well. */
export function snapshotFile({ folder }: ServerFiles, snapshotId: string): string {
  if (!UUID.test(snapshotId)) throw new TypeError(`not the id of a snapshot: ${snapshotId.slice(0, 64)}`)
  return join(folder, `snapshot-${snapshotId}`)
}

export const baseFolder = (instancesDir: string): string => join(instancesDir, '_base')
