/** Whether files of a folder can be read and written past the page cache: not every file system can. */
import { closeSync, constants, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'

export function directIo(folder: string): boolean {
  const path = join(folder, '.direct-io')
  try {
    closeSync(openSync(path, constants.O_CREAT | constants.O_WRONLY | constants.O_DIRECT, 0o600))
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EINVAL') return false
    throw error
  } finally {
    rmSync(path, { force: true })
  }
}
