/** Ports of a server changed: the addresses and security groups that users see follow at once, and whoever watches tells the host. */
import { addressesOf } from '../actions/ports.ts'
import { addressesOf as addressesIn, replaceAddresses } from '../db/server-addresses.ts'
import type { Address, Server } from '../domain/server.ts'
import { setSecurityGroups } from '../db/server-columns.ts'
import { PORTS_PLUGGED } from '../rpc/conductor.ts'
import type { Port } from '../clients/neutron.ts'
import type { Ctx } from './context.ts'

const keyOf = ({ portId, address }: Address): string => `${portId}/${address}`

/** Floating ones stand behind the address that they lead to. */
function floatingBehind(addresses: readonly Address[]): ReadonlyMap<string, readonly Address[]> {
  const behind = new Map<string, Address[]>()
  let last: Address[] = []
  for (const address of addresses)
    if (address.type === 'floating') last.push(address)
    else behind.set(keyOf(address), (last = []))
  return behind
}

async function refreshGroups(
  db: Ctx['db'],
  neutron: Ctx['neutron'],
  server: Server,
  ports: readonly Port[],
): Promise<void> {
  const ids = [...new Set(ports.flatMap(({ securityGroups }) => securityGroups))]
  const groups = ids.length === 0 ? [] : await neutron.groups(ids)
  const names = [...new Set(groups.map(({ name }) => name))].toSorted()
  if (names.join('\n') !== server.securityGroups.toSorted().join('\n')) await setSecurityGroups(db, server.id, names)
}

export async function refreshPorts({ db, bus, neutron }: Ctx, server: Server): Promise<void> {
  const ports = await neutron.portsOf(server)
  await refreshGroups(db, neutron, server, ports)
  const fixed = addressesOf(await neutron.facts(ports, server.hostname))
  const [shown] = await addressesIn(db, [server.id], false)
  if (!shown) return
  const behind = floatingBehind(shown.addresses)
  const there = new Set(ports.map(({ id }) => id))
  // Those of ports that are gone stay until the guest has let go of them: whoever watches detaches them.
  const gone = shown.addresses.filter(({ portId }) => !there.has(portId))
  const wanted = [...fixed.flatMap((each) => [each, ...(behind.get(keyOf(each)) ?? [])]), ...gone]
  if (JSON.stringify(wanted) !== shown.text) await replaceAddresses(db, shown, wanted)
  const looked = new Set([...there, ...gone.map(({ portId }) => portId)])
  if (looked.size > 0) bus.publish(PORTS_PLUGGED, { ports: [...looked] })
}
