/** A server's disks kept beside new ones, until it is known which of the two stay. */
import { readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { exists } from './disk.ts'
import type { ServerFiles } from './files.ts'
import { isLocalDisk } from './local-disks.ts'

export const OLD = '.old'
/** In place or aside; what UEFI kept goes with the disk that it is about. */
async function disksOf({ folder, disk, configDrive, nvram }: ServerFiles): Promise<readonly string[]> {
  if (!(await exists(folder))) return []
  const names = (await readdir(folder)).map((name) => (name.endsWith(OLD) ? name.slice(0, -OLD.length) : name))
  return [disk, configDrive, nvram, ...new Set(names.filter(isLocalDisk).map((name) => join(folder, name)))]
}

/** What is aside already is the older one: what lies in its place then is not moved. */
export async function setDisksAside(files: ServerFiles): Promise<void> {
  for (const path of await disksOf(files))
    if (!(await exists(`${path}${OLD}`)) && (await exists(path))) await rename(path, `${path}${OLD}`)
}

export async function takeDisksBack(files: ServerFiles): Promise<void> {
  for (const path of await disksOf(files)) if (await exists(`${path}${OLD}`)) await rename(`${path}${OLD}`, path)
}

export async function dropDisksAside(files: ServerFiles): Promise<void> {
  for (const path of await disksOf(files)) await rm(`${path}${OLD}`, { force: true })
}
