/** The config drive: an iso9660 file labelled config-2, readable by nobody but us and the guest. */
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, normalize, sep } from 'node:path'
import type { ConfigDriveSpec } from '../driver.ts'
import { HostError } from '../host-error.ts'
import { command } from './command.ts'
import { exists, isDiskFull } from './disk.ts'
import type { ServerFiles } from './files.ts'

const GENISOIMAGE = ['-quiet', '-ldots', '-allow-lowercase', '-allow-multidot', '-l', '-J', '-r', '-V', 'config-2']

export async function createConfigDrive(
  { serverId, files: contents }: ConfigDriveSpec,
  files: ServerFiles,
  host: string,
): Promise<void> {
  if (await exists(files.configDrive)) return
  const tree = join(files.folder, 'config-drive.part')
  const partial = `${files.configDrive}.part`
  try {
    await rm(tree, { recursive: true, force: true })
    await mkdir(tree, { recursive: true, mode: 0o700 })
    for (const [name, content] of Object.entries(contents)) {
      const path = inside(tree, name)
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, Buffer.from(content, 'base64'), { mode: 0o600 })
    }
    // The file is there, and ours alone, before a secret is written to it.
    await writeFile(partial, '', { mode: 0o600 })
    await command('genisoimage', [...GENISOIMAGE, '-o', partial, tree], { timeoutMs: 30_000 })
    await chmod(partial, 0o600)
    await rename(partial, files.configDrive)
  } catch (error) {
    await rm(partial, { force: true })
    if (isDiskFull(error))
      throw new HostError(
        'DiskFull',
        `the disk of host ${host} is full: the config drive of server ${serverId} cannot be made`,
        { cause: error },
      )
    throw error
  } finally {
    await rm(tree, { recursive: true, force: true })
  }
}

function inside(tree: string, name: string): string {
  const path = normalize(join(tree, name))
  if (!path.startsWith(tree + sep)) throw new TypeError(`not a path inside a config drive: ${name}`)
  return path
}
