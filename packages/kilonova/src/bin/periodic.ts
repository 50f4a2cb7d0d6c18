/** The conductor's repeated tasks, as the configuration asks for them. */
import { runPeriodic } from '@kilonova/base/run-periodic.ts'
import { buildTimeout } from '../conductor/periodic/build-timeout.ts'
import { backups } from '../conductor/periodic/backups.ts'
import type { PeriodicReach } from '../conductor/periodic/reach.ts'
import { rescueTimeout } from '../conductor/periodic/rescue-timeout.ts'
import { shelvedOffload } from '../conductor/periodic/shelved-offload.ts'
import type { KilonovaConfig } from '../config/index.ts'

export function startPeriodic(reach: PeriodicReach, { DEFAULT }: KilonovaConfig): { close(): Promise<void> } {
  const { instance_build_timeout: building } = DEFAULT
  const { rescue_timeout: rescued, shelved_offload_time: shelved, shelved_poll_interval: poll } = DEFAULT
  const close = runPeriodic(
    [
      backups(reach),
      ...(building > 0 ? [buildTimeout(reach, building * 1000)] : []),
      ...(rescued > 0 ? [rescueTimeout(reach, rescued * 1000)] : []),
      // 0: they leave when they are shelved.
      ...(shelved > 0 ? [shelvedOffload(reach, shelved * 1000, poll * 1000)] : []),
    ],
    reach.log,
  )
  return { close }
}
