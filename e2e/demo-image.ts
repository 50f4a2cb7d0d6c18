// The demo image for end-to-end tests: built once for all of them, into the repository's cache folder.
import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const root = dirname(import.meta.dirname)

/** Answers with the path of the qcow2 file; the second call costs nothing. */
export async function demoImage(): Promise<string> {
  const folder = join(root, '.cache/demo-image')
  await promisify(execFile)(join(root, 'packages/cloud/image/build.sh'), [folder])
  return join(folder, 'demo.qcow2')
}
