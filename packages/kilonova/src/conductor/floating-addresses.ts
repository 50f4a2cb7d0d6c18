/** Shows at servers the floating IPs that lead to them: each behind the address that it leads to. */
import { addressesOf, replaceAddresses } from '../db/server-addresses.ts'
import type { Db } from '../db/database.ts'
import type { Address } from '../domain/server.ts'

export interface FloatingIp {
  readonly address: string
  readonly fixedAddress: string
  readonly portId: string
  readonly serverId: string
}

/** All there are. Those that were shown before are looked for with the first call, and remembered. */
export type ShowFloatingIps = (floatingIps: readonly FloatingIp[]) => Promise<void>

export function showFloatingIps(db: Db): ShowFloatingIps {
  let shown: ReadonlySet<string> | undefined
  return async (floatingIps) => {
    const byServer = Map.groupBy(floatingIps, ({ serverId }) => serverId)
    const ids = [...new Set([...byServer.keys(), ...(shown ?? [])])]
    for (const server of await addressesOf(db, ids, shown === undefined)) {
      const wanted = withFloating(server.addresses, byServer.get(server.id) ?? [])
      // What was changed meanwhile is looked at with the next port or router that changes: its own.
      if (JSON.stringify(wanted) !== server.text) await replaceAddresses(db, server, wanted)
    }
    shown = new Set(byServer.keys())
  }
}

function withFloating(addresses: readonly Address[], floatingIps: readonly FloatingIp[]): readonly Address[] {
  return addresses
    .filter(({ type }) => type !== 'floating')
    .flatMap((fixed) => [
      fixed,
      ...floatingIps
        .filter(({ portId, fixedAddress }) => portId === fixed.portId && fixedAddress === fixed.address)
        .map(({ address }) => ({ ...fixed, address, type: 'floating' as const })),
    ])
}
