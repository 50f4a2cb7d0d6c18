/** Numbers of wires to the root namespace, unique on this machine: two installations beside each other choose from one range. */
import { createHash } from 'node:crypto'
import { WIRE_PAIRS, wirePair } from './address.ts'
import { run } from './command.ts'
import type { NetworkStore } from './store.ts'

export interface Slots {
  /** The network's own one, the same after a restart. */
  take(networkId: string): Promise<number>
  free(networkId: string): void
}

export function wireSlots(store: NetworkStore, installationId: string): Slots {
  let last: Promise<unknown> = Promise.resolve()
  const choose = async (networkId: string): Promise<number> => {
    const kept = store.network(networkId)
    if (kept) return kept.slot
    const mine = new Set(store.networks().map(({ slot }) => slot))
    const others = await localAddresses()
    // Installations start at different places, so that even at the same moment they choose differently.
    const first = createHash('sha256').update(`${installationId} ${networkId}`).digest().readUInt32BE(0)
    for (let step = 0; step < WIRE_PAIRS; step++) {
      const slot = 1 + ((first + step) % WIRE_PAIRS)
      if (mine.has(slot) || others.has(wirePair(slot).root)) continue
      store.writeNetwork({ networkId, slot })
      return slot
    }
    throw new Error('every pair of addresses for routed networks is in use on this machine')
  }
  return {
    take: (networkId) => {
      const turn = last.then(() => choose(networkId))
      last = turn.catch(() => undefined)
      return turn
    },
    free: (networkId) => store.removeNetwork(networkId),
  }
}

async function localAddresses(): Promise<Set<string>> {
  const links = JSON.parse((await run('ip', ['-j', '-4', 'addr', 'show'])) || '[]') as {
    addr_info?: { local: string }[]
  }[]
  return new Set(links.flatMap(({ addr_info: addresses = [] }) => addresses.map(({ local }) => local)))
}
