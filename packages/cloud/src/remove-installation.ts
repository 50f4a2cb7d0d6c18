/** Takes an installation off this machine: its guests, daemons, networks, and its folder last, so that a removal that was cut short can be repeated. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { openStateDir } from './state-dir.ts'

export class NotAnInstallationError extends Error {
  override readonly name = 'NotAnInstallationError'
}

/** Returns in words what it removed. Errors: NotAnInstallationError, StateDirInUseError, and the system's. */
export async function removeInstallation(path: string): Promise<readonly string[]> {
  // Only what we made is ever removed: a mistyped folder stays as it is.
  if (!existsSync(join(path, 'installation.json')))
    throw new NotAnInstallationError(`${path} holds no installation of Kilonova`)
  const state = openStateDir(path)
  try {
    const removed = existsSync(join(path, 'libvirt')) ? await removeFromHost(path, state.installationId) : []
    rmSync(path, { recursive: true, force: true })
    return [...removed, `folder ${path}`]
  } finally {
    state.release()
  }
}

/** What only real hosts have, loaded only for them. */
async function removeFromHost(path: string, installationId: string): Promise<readonly string[]> {
  const [{ stopLibvirtd }, { removeStrays }, { namesOf }] = await Promise.all([
    import('@kilonova/kilonova/virt/libvirt/libvirtd.ts'),
    import('@kilonova/kilonova/virt/network/inventory.ts'),
    import('@kilonova/kilonova/virt/network/names.ts'),
  ])
  // After a restart of the machine none of its processes is left, and the numbers it noted may be other people's.
  const live = startedInThisBoot(path)
  if (live) await stopLibvirtd(path)
  const names = namesOf(installationId)
  const strays = await removeStrays(names, { namespaces: new Set(), links: new Set(), folders: new Map() })
  rmSync(names.runtimeRoot, { recursive: true, force: true })
  return [...(live ? ['guests and libvirtd'] : []), ...strays]
}

function startedInThisBoot(path: string): boolean {
  const file = join(path, 'libvirt', 'boot-id')
  return existsSync(file) && readFileSync(file, 'utf8') === readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')
}
