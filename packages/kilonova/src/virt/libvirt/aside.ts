/** A server's disks kept beside new ones, until it is known which of the two stay. */
import { rename, rm } from 'node:fs/promises'
import { exists } from './disk.ts'
import type { ServerFiles } from './files.ts'

export const OLD = '.old'
const disksOf = ({ disk, configDrive }: ServerFiles): readonly string[] => [disk, configDrive]

/** What is aside already is the older one: what lies in its place then is not moved. */
export async function setDisksAside(files: ServerFiles): Promise<void> {
  for (const path of disksOf(files))
    if (!(await exists(`${path}${OLD}`)) && (await exists(path))) await rename(path, `${path}${OLD}`)
}

export async function takeDisksBack(files: ServerFiles): Promise<void> {
  for (const path of disksOf(files)) if (await exists(`${path}${OLD}`)) await rename(`${path}${OLD}`, path)
}

export async function dropDisksAside(files: ServerFiles): Promise<void> {
  for (const path of disksOf(files)) await rm(`${path}${OLD}`, { force: true })
}
