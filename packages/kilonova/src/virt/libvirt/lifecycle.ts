/** Start, stop and restart of a guest. Each looks at what is there and does what is missing. */
import {
  DomainPausedReason,
  DomainSaveRestoreFlags,
  DomainShutdownFlagValues,
  DomainState,
  DomainUndefineFlagsValues,
} from '@kilonova/libvirt/constants.gen.ts'
import { isLibvirtError } from '@kilonova/libvirt/errors.ts'
import type { Client } from '@kilonova/libvirt/client.ts'
import type { Domain } from '@kilonova/libvirt/protocol-types.gen.ts'
import type { GuestSpec, PowerChange } from '../driver.ts'
import { hasAgent } from '../../domain/image-properties.ts'
import { HostError } from '../host-error.ts'
import { tellTime } from './agent.ts'
import type { Connection } from './connection.ts'
import { ifThere, lookUp, stateOf } from './guests.ts'

export interface LifecycleContext {
  readonly connection: Connection
  readonly installationId: string
  /** The guest's XML; makes the host side of its ports when that is missing. */
  readonly describe: (spec: GuestSpec) => Promise<string>
  readonly now: () => number
  readonly listen: (listener: (change: PowerChange) => void) => () => void
}

/** Everything of ours that libvirt keeps beside the definition goes with it; what UEFI keeps lies with the server's disks, and goes with them. */
const UNDEFINE =
  DomainUndefineFlagsValues.MANAGED_SAVE |
  DomainUndefineFlagsValues.KEEP_NVRAM |
  DomainUndefineFlagsValues.SNAPSHOTS_METADATA |
  DomainUndefineFlagsValues.CHECKPOINTS_METADATA

/** A guest's memory is as large as its flavor, and goes to a disk or comes from one: minutes where calls otherwise take moments. */
const MEMORY_MS = 3600_000
const LOOK_MS = 500

export async function start(
  { connection, installationId, describe, now }: LifecycleContext,
  spec: GuestSpec,
): Promise<void> {
  const found = await connection.use(async (client) => {
    const domain = await lookUp(client, installationId, spec.serverId)
    if (domain) await discardHalfStarted(client, domain)
    const state = domain ? await stateOf(client, domain) : 'nostate'
    if (domain && (state === 'paused' || state === 'suspended')) await client.domainResume(domain)
    if (state === 'running' || state === 'paused' || state === 'suspended') return 'running'
    return domain && (await hasMemory(client, domain)) ? 'saved' : 'off'
  })
  if (found === 'running') return
  const xml = await describe(spec)
  await connection.use(
    async (client) => {
      const domain = await client.domainDefineXMLFlags(xml)
      await discardHalfStarted(client, domain)
      // OPERATION_INVALID: it runs already, from a try whose answer was lost.
      await client.domainCreateWithFlags(domain).catch(async (error: unknown) => {
        if (!isLibvirtError(error, 'OPERATION_INVALID') || (await stateOf(client, domain)) !== 'running') throw error
      })
    },
    found === 'saved' ? { answerMs: MEMORY_MS } : {},
  )
  if (found === 'saved' && hasAgent(spec.imageProperties))
    await connection.use(async (client) => {
      const domain = await lookUp(client, installationId, spec.serverId)
      if (domain) await tellTime(client, domain, now())
    })
}

/** It was suspended: libvirt keeps its memory, and goes on from it at the next start. */
const hasMemory = async (client: Client, domain: Domain): Promise<boolean> =>
  (await ifThere(client.domainHasManagedSaveImage(domain))) === 1

/** A libvirtd that died while it wrote a memory leaves a part of it, which it throws away at the guest's next start. */
const hasWholeMemory = async (client: Client, domain: Domain): Promise<boolean> => {
  if (!(await hasMemory(client, domain))) return false
  try {
    await client.domainManagedSaveGetXMLDesc(domain)
    return true
  } catch (error) {
    if (isLibvirtError(error, 'OPERATION_FAILED')) return false
    throw error
  }
}

/**
 * A libvirtd that died while it started a guest ends that guest when it is back: it must not be taken for one that was paused.
 * Of our own verbs only one at a time starts a guest.
 */
async function discardHalfStarted(client: Client, domain: Domain): Promise<void> {
  const seen = await ifThere(client.domainGetState(domain))
  if (seen?.state === DomainState.PAUSED && seen.reason === DomainPausedReason.STARTING_UP)
    await cutPower(client, domain)
}

const notRunning = (serverId: string): HostError =>
  new HostError('GuestNotRunning', `the guest of server ${serverId} does not run`)

/** Between running and paused. What is so already, libvirt calls invalid. */
async function switchTo(
  { connection, installationId }: LifecycleContext,
  serverId: string,
  wanted: 'running' | 'paused',
): Promise<void> {
  await connection.use(async (client) => {
    const domain = await lookUp(client, installationId, serverId)
    if (!domain) throw notRunning(serverId)
    try {
      await (wanted === 'paused' ? client.domainSuspend(domain) : client.domainResume(domain))
    } catch (error) {
      if (!isLibvirtError(error, 'OPERATION_INVALID', 'NO_DOMAIN')) throw error
      const state = await stateOf(client, domain)
      if (state === wanted) return
      throw state === 'running' || state === 'paused' ? error : notRunning(serverId)
    }
  })
}
export const pause = (context: LifecycleContext, serverId: string): Promise<void> =>
  switchTo(context, serverId, 'paused')
export const unpause = (context: LifecycleContext, serverId: string): Promise<void> =>
  switchTo(context, serverId, 'running')

/** libvirt keeps the memory by the domain's name, and its next start goes on from it. Saved while it was paused, it runs then all the same. */
export const suspend = (
  { connection, installationId }: LifecycleContext,
  serverId: string,
  progress: (percent: number) => void,
  signal: AbortSignal,
): Promise<void> =>
  connection.use(
    async (client) => {
      const domain = await lookUp(client, installationId, serverId)
      if (!domain) throw notRunning(serverId)
      signal.throwIfAborted()
      const abort = (): void => void client.domainAbortJob(domain).catch(() => {})
      const look = (): void =>
        void client.domainGetJobInfo(domain).then(
          ({ dataTotal, dataProcessed }) => {
            // Asked for too early, it had nothing to stop.
            if (signal.aborted) abort()
            else if (dataTotal > 0n) progress(Number((dataProcessed * 100n) / dataTotal))
          },
          () => {},
        )
      signal.addEventListener('abort', abort)
      const timer = setInterval(look, LOOK_MS)
      try {
        await client.domainManagedSave(domain, DomainSaveRestoreFlags.RUNNING)
      } catch (error) {
        if (!isLibvirtError(error, 'OPERATION_INVALID')) throw error
        const state = await stateOf(client, domain)
        if (state === 'running' || state === 'paused') throw error
        // From a try whose answer was lost.
        if (!(await hasWholeMemory(client, domain))) throw notRunning(serverId)
      } finally {
        clearInterval(timer)
        signal.removeEventListener('abort', abort)
      }
    },
    { answerMs: MEMORY_MS },
  )

/** False: it does not run. */
export const injectNmi = ({ connection, installationId }: LifecycleContext, serverId: string): Promise<boolean> =>
  connection.use(async (client) => {
    const domain = await lookUp(client, installationId, serverId)
    if (!domain) return false
    try {
      await client.domainInjectNMI(domain)
      return true
    } catch (error) {
      if (isLibvirtError(error, 'OPERATION_INVALID', 'NO_DOMAIN')) return false
      throw error
    }
  })

export const shutdown = ({ connection, installationId }: LifecycleContext, serverId: string): Promise<void> =>
  connection.use(async (client) => {
    const domain = await lookUp(client, installationId, serverId)
    if (domain) await pressPowerButton(client, domain)
  })

/** False when the guest does not run. */
async function pressPowerButton(client: Client, domain: Domain): Promise<boolean> {
  try {
    await client.domainShutdownFlags(domain, DomainShutdownFlagValues.ACPI_POWER_BTN)
    return true
  } catch (error) {
    // However it says so: a guest that lost its power meanwhile has no button.
    if (isLibvirtError(error) && (await stateOf(client, domain)) !== 'running') return false
    throw error
  }
}

export const powerOff = ({ connection, installationId }: LifecycleContext, serverId: string): Promise<void> =>
  connection.use(async (client) => {
    const domain = await lookUp(client, installationId, serverId)
    if (!domain) return
    await cutPower(client, domain)
    if (await hasMemory(client, domain)) await ifThere(client.domainManagedSaveRemove(domain))
  })

async function cutPower(client: Client, domain: Domain): Promise<void> {
  try {
    await ifThere(client.domainDestroyFlags(domain))
  } catch (error) {
    // It did not run.
    if (!isLibvirtError(error, 'OPERATION_INVALID')) throw error
  }
}

export const destroy = ({ connection, installationId }: LifecycleContext, serverId: string): Promise<void> =>
  connection.use(async (client) => {
    const domain = await lookUp(client, installationId, serverId)
    if (!domain) return
    await cutPower(client, domain)
    await ifThere(client.domainUndefineFlags(domain, UNDEFINE))
  })
