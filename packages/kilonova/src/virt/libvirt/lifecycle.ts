/** Start, stop and restart of a guest. Each looks at what is there and does what is missing. */
import {
  DomainPausedReason,
  DomainShutdownFlagValues,
  DomainState,
  DomainUndefineFlagsValues,
} from '@kilonova/libvirt/constants.gen.ts'
import { isLibvirtError } from '@kilonova/libvirt/errors.ts'
import type { Client } from '@kilonova/libvirt/client.ts'
import type { Domain } from '@kilonova/libvirt/protocol-types.gen.ts'
import type { GuestSpec, PowerChange } from '../driver.ts'
import type { Connection } from './connection.ts'
import { ifThere, lookUp, stateOf } from './guests.ts'

export interface LifecycleContext {
  readonly connection: Connection
  readonly installationId: string
  /** The guest's XML; makes the host side of its ports when that is missing. */
  readonly describe: (spec: GuestSpec) => Promise<string>
  readonly listen: (listener: (change: PowerChange) => void) => () => void
}

/** Everything of ours that libvirt keeps beside the definition goes with it. */
const UNDEFINE =
  DomainUndefineFlagsValues.MANAGED_SAVE |
  DomainUndefineFlagsValues.NVRAM |
  DomainUndefineFlagsValues.SNAPSHOTS_METADATA |
  DomainUndefineFlagsValues.CHECKPOINTS_METADATA

export async function start(
  { connection, installationId, describe }: LifecycleContext,
  spec: GuestSpec,
): Promise<void> {
  const isRunning = await connection.use(async (client) => {
    const domain = await lookUp(client, installationId, spec.serverId)
    if (domain) await discardHalfStarted(client, domain)
    const state = domain ? await stateOf(client, domain) : 'nostate'
    if (domain && (state === 'paused' || state === 'suspended')) await client.domainResume(domain)
    return state === 'running' || state === 'paused' || state === 'suspended'
  })
  if (isRunning) return
  const xml = await describe(spec)
  await connection.use(async (client) => {
    const domain = await client.domainDefineXMLFlags(xml)
    await discardHalfStarted(client, domain)
    // OPERATION_INVALID: it runs already, from a try whose answer was lost.
    await client.domainCreateWithFlags(domain).catch(async (error: unknown) => {
      if (!isLibvirtError(error, 'OPERATION_INVALID') || (await stateOf(client, domain)) !== 'running') throw error
    })
  })
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
    if (domain) await cutPower(client, domain)
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
