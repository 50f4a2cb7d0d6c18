/** Tags that begin with `kilonova:` tell Kilonova something (`kilonova:routed` opens a way into hosts): admins and services alone write them. */
import { privileged, type Caller } from '../../openstack/caller.ts'
import { disallowed } from '../errors.ts'

const RESERVED = 'kilonova:'

export const isReserved = (tag: string): boolean => tag.startsWith(RESERVED)

/** Errors: 403. */
export function mustMayTag(caller: Caller, tags: readonly string[] | undefined): void {
  if (!privileged(caller) && tags?.some(isReserved)) throw disallowed(`tags:${RESERVED}`)
}
