/** Which cached images the servers' disks stand on, read from the disks themselves. */
import { readdir } from 'node:fs/promises'
import { exists } from './disk.ts'
import { serverFiles } from './files.ts'
import { readQcow2Header } from './qcow2.ts'

export async function usedImages(instancesDir: string): Promise<ReadonlySet<string>> {
  const used = new Set<string>()
  for (const entry of await readdir(instancesDir, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name.startsWith('_')) continue
    const { disk } = serverFiles(instancesDir, entry.name)
    for (const path of [disk, `${disk}.part`]) {
      const header = (await exists(path)) ? await readQcow2Header(path) : undefined
      if (header?.backingFile) used.add(header.backingFile)
    }
  }
  return used
}
