/** The config drive: a file system labelled config-2 in a file, readable by nobody but us and the guest. */
import { chmod, mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, normalize, sep } from 'node:path'
import type { ConfigDriveSpec } from '../driver.ts'
import { HostError } from '../host-error.ts'
import { command } from './command.ts'
import { exists, isDiskFull } from './disk.ts'
import type { ServerFiles } from './files.ts'

export type ConfigDriveFormat = 'iso9660' | 'vfat'

const GENISOIMAGE = ['-quiet', '-ldots', '-allow-lowercase', '-allow-multidot', '-l', '-J', '-r', '-V', 'config-2']

export async function createConfigDrive(
  { serverId, files: contents }: ConfigDriveSpec,
  files: ServerFiles,
  host: string,
  format: ConfigDriveFormat,
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
    await (format === 'vfat' ? makeVfat(partial, tree) : makeIso(partial, tree))
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

const TIMEOUT_MS = 30_000
const makeIso = async (file: string, tree: string): Promise<unknown> =>
  command('genisoimage', [...GENISOIMAGE, '-o', file, tree], { timeoutMs: TIMEOUT_MS })

/** As large as upstream's: 64 MiB in sectors. */
const VFAT = ['-C', '-T', '131072', '-h', '64', '-s', '32', '-v', 'config-2']
/** The entry of the root folder that is the label: 11 letters and its kind. */
const LABEL = { written: 'CONFIG-2   \b', wanted: 'config-2   \b' }

async function makeVfat(file: string, tree: string): Promise<void> {
  await command('mformat', [...VFAT, '-i', file, '::'], { timeoutMs: TIMEOUT_MS })
  const folders = (await readdir(tree)).map((name) => join(tree, name))
  await command('mcopy', ['-s', '-i', file, ...folders, '::'], { timeoutMs: TIMEOUT_MS })
  // mtools writes labels in capitals, and some guests look for exactly this one.
  const handle = await open(file, 'r+')
  try {
    const { buffer } = await handle.read(Buffer.alloc(256 * 1024), 0, 256 * 1024, 0)
    const at = buffer.indexOf(LABEL.written)
    if (at >= 0) await handle.write(LABEL.wanted, at)
  } finally {
    await handle.close()
  }
}

/** Of one that was made, perhaps when another format was configured. */
export async function configDriveFormat(file: string): Promise<ConfigDriveFormat> {
  const handle = await open(file)
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(5), 0, 5, 32_769)
    return bytesRead === 5 && buffer.toString('latin1') === 'CD001' ? 'iso9660' : 'vfat'
  } finally {
    await handle.close()
  }
}
