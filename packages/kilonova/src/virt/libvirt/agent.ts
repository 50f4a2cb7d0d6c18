/** What is asked of the QEMU guest agent, where the image says that there is one. */
import { isLibvirtError } from '@kilonova/libvirt/errors.ts'
import type { Client } from '@kilonova/libvirt/client.ts'
import type { Domain } from '@kilonova/libvirt/protocol-types.gen.ts'
import type { PasswordOutcome } from '../../domain/diagnostics.ts'
import { lookUp, stateOf } from './guests.ts'

/** libvirt's words for a guest without the channel, and for one in which nobody listens. */
const NOBODY = ['AGENT_UNRESPONSIVE', 'ARGUMENT_UNSUPPORTED', 'AGENT_UNSYNCED'] as const

/** An agent that is there and does not answer would be waited for as long as it does not. */
const ANSWER_SECONDS = 10
const beImpatient = (client: Client, domain: Domain): Promise<unknown> =>
  client.domainAgentSetResponseTimeout(domain, ANSWER_SECONDS)

/** A guest that stood still believes that no time passed. Best effort, as upstream's: without an agent it finds out by itself. */
export async function tellTime(client: Client, domain: Domain, now: number): Promise<void> {
  try {
    await beImpatient(client, domain)
    await client.domainSetTime(domain, Math.floor(now / 1000), (now % 1000) * 1_000_000)
  } catch (error) {
    if (!isLibvirtError(error)) throw error
  }
}

/** What the agent says against it may repeat what it was given: nothing of that is passed on. */
export async function setPassword(
  client: Client,
  installationId: string,
  serverId: string,
  user: string,
  password: string,
): Promise<PasswordOutcome> {
  const domain = await lookUp(client, installationId, serverId)
  if (!domain || (await stateOf(client, domain)) !== 'running') return 'notRunning'
  try {
    await beImpatient(client, domain)
    // One that hangs now would do later what it was told: it is not told.
    await client.domainGetTime(domain)
    await client.domainSetUserPassword(domain, user, password)
    return 'set'
  } catch (error) {
    if (isLibvirtError(error, ...NOBODY)) return 'noAgent'
    if (isLibvirtError(error, 'OPERATION_INVALID', 'NO_DOMAIN')) return 'notRunning'
    if (isLibvirtError(error)) return 'refused'
    throw error
  }
}
