import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReadList } from './neutron-facts.ts'
import { readRouters } from './neutron-routers.ts'

const port = (id: string, network: string, owner: string, more: object = {}) => ({
  id,
  network_id: network,
  device_owner: owner,
  device_id: 'router-1',
  mac_address: 'fa:16:3e:00:00:01',
  fixed_ips: [{ ip_address: network === 'outside' ? '172.24.4.9' : '10.0.0.1', subnet_id: `${network}-a` }],
  'binding:host_id': '',
  ...more,
})
const guest = (id: string, host: string) =>
  port(id, 'inside', 'compute:nova', { device_id: `server-${id}`, 'binding:host_id': host })
const subnet = (id: string, network: string, cidr: string) => ({
  id,
  network_id: network,
  cidr,
  gateway_ip: cidr.replace('0/24', '1'),
  enable_dhcp: false,
})
const floating = (last: number, portId: string | null) => ({
  floating_ip_address: `172.24.4.${last}`,
  fixed_ip_address: portId === null ? null : '10.0.0.5',
  port_id: portId,
  router_id: portId === null ? null : 'router-1',
  port_details: portId === null ? null : { device_id: `server-${portId}`, device_owner: 'compute:nova' },
})

const CLOUD: Readonly<Record<string, readonly unknown[]>> = {
  routers: [
    { id: 'router-1', admin_state_up: true, external_gateway_info: { enable_snat: false }, routes: [] },
    { id: 'router-2', admin_state_up: true, external_gateway_info: null },
    { id: 'router-3', admin_state_up: false, external_gateway_info: null },
  ],
  ports: [
    port('in', 'inside', 'network:router_interface'),
    port('out', 'outside', 'network:router_gateway'),
    port('down', 'inside', 'network:router_interface', { device_id: 'router-3' }),
    guest('a', 'host-1'),
    guest('b', 'host-2'),
    guest('unbound', ''),
  ],
  networks: [
    { id: 'inside', name: 'inside', shared: false, mtu: 1450 },
    { id: 'outside', name: 'outside', shared: false, mtu: 1500, 'router:external': true },
  ],
  subnets: [
    subnet('inside-a', 'inside', '10.0.0.0/24'),
    subnet('inside-b', 'inside', '10.0.1.0/24'),
    subnet('outside-a', 'outside', '172.24.4.0/24'),
    subnet('outside-b', 'outside', '172.24.5.0/24'),
  ],
  floatingips: [floating(100, 'a'), floating(101, 'b'), floating(102, null), floating(103, 'unbound')],
}

/** Chooses by field as the service does. */
const listOf =
  (cloud: typeof CLOUD): ReadList =>
  async <T>(collection: string, query: string) => {
    const wanted = Map.groupBy(new URLSearchParams(query), ([field]) => field)
    wanted.delete('fields')
    const fits = (body: unknown) =>
      [...wanted].every(([field, values]) =>
        values.some(([, value]) => (body as Record<string, unknown>)[field] === value),
      )
    return (cloud[collection] ?? []).filter(fits) as readonly T[]
  }

test('each host with a guest gets the routers of its networks, with the floating IPs of its own guests and of nobody’s', async () => {
  const { byHost, floatingIps } = await readRouters(listOf(CLOUD))
  assert.deepEqual([...byHost.keys()].toSorted(), ['host-1', 'host-2'])
  const [router, ...more] = byHost.get('host-1') ?? []
  assert.ok(router)
  assert.deepEqual(more, [])
  assert.deepEqual(
    router.interfaces.map(({ portId, mtu, subnets }) => [portId, mtu, subnets.map(({ id, routed }) => [id, routed])]),
    [['in', 1450, [['inside-a', false]]]],
  )
  assert.equal(router.gateway?.snat, false)
  assert.deepEqual(
    router.gateway?.subnets.map(({ id, routed }) => [id, routed]),
    [
      ['outside-a', true],
      ['outside-b', true],
    ],
  )
  const led = (host: string) => byHost.get(host)?.[0]?.floatingIps.map(({ address }) => address)
  assert.deepEqual(
    [led('host-1'), led('host-2')],
    [
      ['172.24.4.100', '172.24.4.103'],
      ['172.24.4.101', '172.24.4.103'],
    ],
  )
  assert.deepEqual(
    floatingIps.map(({ address, serverId }) => [address, serverId]),
    [
      ['172.24.4.100', 'server-a'],
      ['172.24.4.101', 'server-b'],
      ['172.24.4.103', 'server-unbound'],
    ],
  )
})

test('where there is no router, nothing else is asked for', async () => {
  const asked: string[] = []
  const list: ReadList = async (collection) => {
    asked.push(collection)
    return []
  }
  assert.deepEqual(await readRouters(list), { byHost: new Map(), floatingIps: [] })
  assert.deepEqual(asked, ['routers'])
})
