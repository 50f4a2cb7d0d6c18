/** Which cached images the servers' disks stand on, read from the disks themselves. */
import { readdir } from 'node:fs/promises'
import { OLD } from './aside.ts'
import { exists } from './disk.ts'
import { serverFiles } from './files.ts'
import { backingFileOf } from './qcow2.ts'

export async function usedImages(instancesDir: string): Promise<ReadonlySet<string>> {
  const used = new Set<string>()
  for (const entry of await readdir(instancesDir, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name.startsWith('_')) continue
    const { disk, rescueDisk } = serverFiles(instancesDir, entry.name)
    for (const path of [disk, rescueDisk, `${disk}${OLD}`, `${disk}.part`, `${rescueDisk}.part`]) {
      const backing = (await exists(path)) ? await backingFileOf(path) : undefined
      if (backing !== undefined) used.add(backing)
    }
  }
  return used
}
