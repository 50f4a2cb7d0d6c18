/** What a fake guest has used: figures that follow from how long it ran, how often it booted and what it is made of. */
import type { Diagnostics } from '../../domain/diagnostics.ts'
import type { PowerState } from '../../domain/states.ts'
import type { GuestSpec } from '../driver.ts'

/** How long a guest's processors have run since its boot. */
export interface Life {
  readonly boots: number
  readonly ranMs: number
  /** Of the last change. */
  readonly at: number
}
export const born = (now: number, boots: number): Life => ({ boots, ranMs: 0, at: now })
export const lived = ({ boots, ranMs, at }: Life, ran: boolean, now: number): Life => ({
  boots,
  ranMs: ranMs + (ran ? now - at : 0),
  at: now,
})

const MIB = 1024 ** 2
const SECTOR = 512
const FRAME_BYTES = 90
/** A booting guest reads so much of its memory's size, then writes a log: a sector each second. */
const READ_AT_BOOT = 1 / 8
/** What a boot takes of the first processor. */
const BOOT_MS = 500

export function fakeDiagnostics(
  { spec, powerState, ...life }: Life & { readonly spec: GuestSpec; readonly powerState: PowerState },
  diskNames: readonly string[],
  now: number,
): Diagnostics {
  const { vcpus, memoryMb } = spec.flavor
  const isOn = powerState === 'running' || powerState === 'paused'
  const { ranMs } = lived(life, powerState === 'running', now)
  const seconds = Math.floor(ranMs / 1000)
  const memoryKib = memoryMb * 1024
  const readBytes = Math.floor((memoryMb * MIB * READ_AT_BOOT) / SECTOR) * SECTOR
  return {
    powerState,
    hypervisor: 'fake',
    memoryMaximumKib: memoryKib,
    memoryUsedKib: memoryKib,
    memoryDetails: isOn ? { actual: memoryKib, rss: Math.floor(memoryKib / 2) } : { actual: memoryKib },
    // The first processor does most of the work, the next half of that, and so on.
    cpus: isOn
      ? Array.from({ length: vcpus }, (_each, id) => ({ id, timeNs: Math.floor(((BOOT_MS + ranMs) * 1e6) / 2 ** id) }))
      : [],
    disks: isOn
      ? diskNames.map((name, index) => ({
          name,
          readBytes: index === 0 ? readBytes : SECTOR,
          readRequests: index === 0 ? readBytes / (8 * SECTOR) : 1,
          writeBytes: index === 0 ? seconds * SECTOR : 0,
          writeRequests: index === 0 ? seconds : 0,
        }))
      : [],
    nics: isOn
      ? spec.ports.map(({ mac, portId }) => ({
          name: `tap${portId.slice(0, 11)}`,
          mac,
          rxBytes: (seconds + 2) * FRAME_BYTES,
          rxPackets: seconds + 2,
          rxErrors: 0,
          rxDropped: 0,
          txBytes: (seconds + 1) * FRAME_BYTES,
          txPackets: seconds + 1,
          txErrors: 0,
          txDropped: 0,
        }))
      : [],
  }
}
