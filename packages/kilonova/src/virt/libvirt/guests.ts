/** Finding guests: only domains that carry the name of our installation are ours. */
import type { Client } from '@kilonova/libvirt/client.ts'
import { isLibvirtError } from '@kilonova/libvirt/errors.ts'
import type { Domain } from '@kilonova/libvirt/protocol-types.gen.ts'
import type { GuestState } from '../../domain/host.ts'
import type { PowerState } from '../../domain/states.ts'
import { isOurs } from './names.ts'
import { powerStateOf } from './power.ts'

/** `work`'s answer, or undefined when libvirt says that there is no such domain. */
export async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (isLibvirtError(error, 'NO_DOMAIN')) return undefined
    throw error
  }
}

export async function lookUp(client: Client, installationId: string, serverId: string): Promise<Domain | undefined> {
  const domain = await ifThere(client.domainLookupByUUID(serverId))
  return domain && isOurs(installationId, domain) ? domain : undefined
}

export async function stateOf(client: Client, domain: Domain): Promise<PowerState> {
  const answer = await ifThere(client.domainGetState(domain))
  return answer ? powerStateOf(answer.state) : 'nostate'
}

export async function guestsOf(client: Client, installationId: string): Promise<readonly GuestState[]> {
  const domains = (await client.connectListAllDomains()).filter((domain) => isOurs(installationId, domain))
  return Promise.all(
    domains.map(async (domain) => ({ serverId: domain.uuid, powerState: await stateOf(client, domain) })),
  )
}
