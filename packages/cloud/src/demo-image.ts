/** The demo image: built once from Debian packages for real hosts, a tiny empty one for fake hosts. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { tinyQcow2 } from '@kilonova/kilonova/virt/fake/tiny-qcow2.ts'

const BUILD = join(import.meta.dirname, '../image/build.sh')
const BUILD_MS = 15 * 60_000

export interface DemoImage {
  readonly file: string
  readonly minRamMb: number
}

/** Errors: Error with the last words of the build. */
export async function demoImage(driver: 'libvirt' | 'fake', stateDir: string): Promise<DemoImage> {
  const folder = join(stateDir, 'demo-image')
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  if (driver === 'fake') {
    const file = join(folder, 'tiny.qcow2')
    if (!existsSync(file)) writeFileSync(file, tinyQcow2())
    return { file, minRamMb: 0 }
  }
  await promisify(execFile)('/bin/bash', [BUILD, folder], { timeout: BUILD_MS, maxBuffer: 64 * 1024 * 1024 }).catch(
    (error: Error & { stderr?: string }) => {
      throw new Error(
        `the demo image cannot be built: ${error.stderr?.trim().split('\n').slice(-3).join(' ') || error.message}`,
        { cause: error },
      )
    },
  )
  return { file: join(folder, 'demo.qcow2'), minRamMb: 128 }
}
