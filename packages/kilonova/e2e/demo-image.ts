/** The demo image for tests: built once by its own script into a folder that later runs find again. */
import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const BUILD = join(import.meta.dirname, '../../cloud/image/build.sh')

/** The path of demo.qcow2. */
export async function demoImage(): Promise<string> {
  const folder = process.env['KILONOVA_IMAGE_CACHE'] ?? join(tmpdir(), 'kilonova-image-cache')
  await promisify(execFile)(BUILD, [folder], { timeout: 600_000 })
  return join(folder, 'demo.qcow2')
}
