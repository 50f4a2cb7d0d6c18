/** Facts of many ports in a handful of requests, and the feed of changes where there is one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { networkChanges } from './network-changes.ts'
import { fakeKeystone, httpService, type Answer, type Request } from './testing.ts'

const PORTS = 500
const group = {
  id: 'g1',
  name: 'default',
  stateful: false,
  security_group_rules: [
    {
      id: 'r1',
      direction: 'ingress',
      ethertype: 'IPv4',
      protocol: null,
      remote_ip_prefix: null,
      remote_group_id: 'g1',
    },
    { id: 'r2', direction: 'ingress', ethertype: 'IPv4', protocol: null, remote_address_group_id: 'x' },
  ],
}
const ports = Array.from({ length: PORTS }, (_, index) => ({
  id: `p${index}`,
  network_id: `n${index % 3}`,
  project_id: 'p',
  mac_address: 'fa:16:3e:00:00:01',
  fixed_ips: [{ ip_address: `10.0.${index >> 8}.${index & 255}`, subnet_id: `s${index % 3}` }],
  device_id: `server-${index}`,
  device_owner: index === 0 ? 'network:dhcp' : 'compute:nova',
  'binding:host_id': index === 1 ? '' : 'host-1',
  security_groups: ['g1'],
  admin_state_up: index !== 2,
  allowed_address_pairs:
    index === 2 ? [{ ip_address: '10.9.0.0/24' }, { ip_address: '10.8.0.1', mac_address: 'FA:16:3E:00:00:09' }] : [],
}))

const answers = ({ path, query }: Request): Answer | undefined => {
  const chosen = <T extends object>(all: readonly T[], field: string & keyof T) =>
    all.filter((each) => query.getAll(field).includes(String(each[field])))
  if (path === '/v2.0/ports')
    return {
      json: {
        ports: query.has('id') ? chosen(ports, 'id') : query.has('network_id') ? chosen(ports, 'network_id') : ports,
      },
    }
  if (path === '/v2.0/networks')
    return {
      json: {
        networks: query.getAll('id').map((id) => ({
          id,
          name: id,
          mtu: 1450,
          shared: id !== 'n1',
          admin_state_up: id !== 'n2',
          tags: ['kilonova:routed'],
        })),
      },
    }
  if (path === '/v2.0/subnets')
    return {
      json: {
        subnets: query.getAll('network_id').map((id) => ({
          id: id.replace('n', 's'),
          network_id: id,
          cidr: '10.0.0.0/16',
          gateway_ip: null,
          enable_dhcp: true,
          ipv6_ra_mode: 'slaac',
          ipv6_address_mode: 'something else',
        })),
      },
    }
  if (path === '/v2.0/security-groups') return { json: { security_groups: [group] } }
  return undefined
}

test('five hundred ports cost a handful of requests, and share their rules', async (t) => {
  const http = await httpService(t, answers)
  const changes = networkChanges(fakeKeystone({ network: http.url }), { endpoint: undefined })
  const found = await changes.boundPorts({ by: 'id', values: ports.map(({ id }) => id) })
  assert.equal(found.length, PORTS - 2, 'those of servers, on a host')
  const facts = await changes.facts(found, ({ deviceId }) => `name of ${deviceId}`)
  assert.ok(http.asked.length <= 8, `${http.asked.length} requests`)
  assert.equal(new Set(facts.map(({ rules }) => rules)).size, 1)
  const [rule, unread] = facts[0]?.rules ?? []
  assert.equal(rule?.remotes.length, PORTS + 2, 'addresses and pairs of all members')
  assert.equal(rule?.stateful, false)
  assert.deepEqual(unread?.remotes, ['0.0.0.0/32'], 'a group of addresses has nobody')
  assert.equal(facts.at(-1)?.hostname, 'name of server-499')
})

test('facts say what a port may, whether it is up, and how its network tells version 6', async (t) => {
  const http = await httpService(t, answers)
  const changes = networkChanges(fakeKeystone({ network: http.url }), { endpoint: undefined })
  const [down, shared, own] = await changes.facts(
    await changes.boundPorts({ by: 'id', values: ['p2', 'p3', 'p4'] }),
    () => '',
  )
  assert.deepEqual(down?.allowedPairs, [
    { cidr: '10.9.0.0/24', mac: 'fa:16:3e:00:00:01' },
    { cidr: '10.8.0.1/32', mac: 'fa:16:3e:00:00:09' },
  ])
  assert.deepEqual([down?.adminUp, shared?.adminUp], [false, true])
  assert.deepEqual([shared?.subnets[0]?.raMode, shared?.subnets[0]?.addressMode], ['slaac', null])
  assert.equal(shared?.subnets[0]?.routed, true)
  assert.equal(own?.subnets[0]?.routed, false, 'whoever owns a network may tag it: it counts on shared ones alone')
  assert.equal(
    (await changes.facts(await changes.boundPorts({ by: 'id', values: ['p5'] }), () => ''))[0]?.adminUp,
    false,
  )
})

test('the feed is asked from where it was left; a service without one is known by its answer', async (t) => {
  const told = { cursor: 'b', all: false, ports: ['p1'], networks: [], routers: [] }
  const http = await httpService(t, ({ path }) => (path === '/v2.0/kilonova/changes' ? { json: told } : undefined))
  const changes = networkChanges(fakeKeystone({ network: http.url }), { endpoint: undefined })
  const never = new AbortController().signal
  assert.deepEqual(await changes.since('a', 1, never), told)
  assert.deepEqual([http.asked[0]?.query.get('since'), http.asked[0]?.query.get('wait')], ['a', '1'])
  const plain = await httpService(t, () => undefined)
  assert.equal(
    await networkChanges(fakeKeystone({ network: plain.url }), { endpoint: undefined }).since(undefined, 1, never),
    undefined,
  )
})
