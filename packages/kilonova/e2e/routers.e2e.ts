// Routers and floating IPs on a real host, with namespaces for guests: who reaches whom, as whom, and what is left when they go.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { PortFacts, RouterFacts, RouterPort } from '../src/virt/driver.ts'
import { hostNetwork, type HostNetwork } from '../src/virt/network/host-network.ts'
import { type Bed, bed, nothing, port, type PortWish } from './host-network-bed.ts'
import { attempt, type VethGuest } from './veth-guest.ts'

const OUTSIDE = { network: 'net-outside', cidr: '10.219.4.0/24', gateway: '10.219.4.1', routed: true } as const
const inside = (network: string, cidr: string) => ({
  network,
  cidr,
  gateway: cidr.replace(/0\/24$/, '1'),
  routed: false,
})
/** Two projects with the same addresses, one of them with a second network. */
const RED = inside('net-red', '10.218.0.0/24')
const RED_TOO = inside('net-red-too', '10.218.1.0/24')
const BLUE = inside('net-blue', '10.218.0.0/24')

/** A port whose address is the network's with another last byte. */
const at = (last: number, wish: PortWish & { readonly cidr: string }): PortFacts =>
  port(Number(wish.cidr.split('.')[2]) * 256 + last, wish)

/** A router's port, its address ending in `last`. */
function routerPort(id: string, last: number, wish: PortWish & { readonly cidr: string }): RouterPort {
  const { networkId, mtu, fixedIps, subnets } = at(last, wish)
  const hex = [...id]
    .reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 65_536, 7)
    .toString(16)
    .padStart(4, '0')
  return { portId: id, networkId, mac: `fa:16:3e:01:${hex.slice(0, 2)}:${hex.slice(2)}`, mtu, fixedIps, subnets }
}

const router = (
  name: string,
  number: number,
  insides: readonly (PortWish & { readonly cidr: string })[],
  more: Partial<RouterFacts> = {},
): RouterFacts => ({
  routerId: name,
  interfaces: insides.map((wish, index) => routerPort(`${name}-${index}`, 1, wish)),
  gateway: { ...routerPort(`${name}-out`, number, OUTSIDE), snat: true },
  routes: [],
  floatingIps: [],
  ...more,
})
const floating = (number: number, fixedAddress: string) => ({ address: `10.219.4.${number}`, fixedAddress })

describe('two projects with the same addresses, each with a router', () => {
  let host: Bed
  let network: HostNetwork
  const guests = new Map<string, VethGuest>()
  const guest = (name: string): VethGuest => {
    const found = guests.get(name)
    assert.ok(found)
    return found
  }
  const ports: Readonly<Record<string, PortFacts>> = {
    red5: at(5, RED),
    red6: at(6, { ...RED, mac: 'fa:16:3e:00:00:06' }),
    redToo7: at(7, { ...RED_TOO, mac: 'fa:16:3e:00:00:07' }),
    blue5: at(5, BLUE),
  }
  const RED_ROUTER = router('red', 10, [RED, RED_TOO], {
    floatingIps: [floating(105, '10.218.0.5'), floating(107, '10.218.1.7')],
  })
  const BLUE_ROUTER = router('blue', 20, [BLUE], { floatingIps: [floating(205, '10.218.0.5')] })
  const reaches = async (address: string): Promise<boolean> => (await attempt('ping', '-c', '1', '-W', '1', address)).ok
  const hello = async (address: string, from = 'root'): Promise<string> =>
    from === 'root'
      ? (await attempt('busybox', 'nc', '-w', '1', address, '80')).text.trim()
      : ((await guest(from).connect(address, 80)) ?? '')

  before(async () => {
    host = await bed()
    network = await hostNetwork(host.options)
    await network.applyRouters([RED_ROUTER, BLUE_ROUTER])
    for (const [name, facts] of Object.entries(ports)) {
      guests.set(name, await host.guest(facts))
      await network.plug(name, [facts])
      assert.ok(await guest(name).dhcp(), name)
      await (await guest(name).run('true'), guest(name).serve(80))
    }
  })
  after(async () => {
    await network.applyRouters([])
    for (const name of guests.keys()) await network.unplug(name)
    assert.deepEqual(await network.inventory(), nothing(host.names))
    await network.close()
    await host.remove()
  })

  test('this machine reaches each guest at its floating IP', async () => {
    for (const address of ['10.219.4.105', '10.219.4.107', '10.219.4.205']) {
      assert.ok(await reaches(address), address)
      assert.equal(await hello(address), 'hello')
    }
  })
})
