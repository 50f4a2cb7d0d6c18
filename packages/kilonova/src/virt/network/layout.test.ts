import assert from 'node:assert/strict'
import { test } from 'node:test'
import { layoutOf } from './layout.ts'
import { portOf, subnetOf } from './port-fixture.ts'

test('a routed subnet gives the namespace its gateway; others are talked to from the metadata address', () => {
  const subnets = [
    subnetOf({ id: 'b', cidr: '10.1.0.0/24', gateway: '10.1.0.1', routed: false }),
    subnetOf(),
    subnetOf({ id: 'c', cidr: '10.2.0.0/24', gateway: null }),
  ]
  const layout = layoutOf('net', [{ number: 1, facts: portOf({ subnets }) }])
  assert.deepEqual(layout.addresses, ['169.254.169.254/32', '10.0.0.1/20'])
  assert.deepEqual(layout.onLink, ['10.1.0.0/24', '10.2.0.0/24'])
  assert.deepEqual(layout.routed, ['10.0.0.0/20'])
})

test('where a router has the gateway, the namespace has it no more, and the machine reaches the subnet all the same', () => {
  const router = {
    portId: 'r1',
    networkId: 'net',
    mac: 'fa:16:3e:00:00:aa',
    mtu: 1500,
    fixedIps: [{ address: '10.0.0.1', subnetId: 'subnet-a' }],
    subnets: [],
  }
  const layout = layoutOf('net', [{ number: 1, facts: portOf() }], [router])
  assert.deepEqual(layout.addresses, ['169.254.169.254/32'])
  assert.deepEqual(layout.onLink, ['10.0.0.0/20'])
  assert.deepEqual(layout.routed, ['10.0.0.0/20'])
  assert.equal(layout.mtu, 1500)
})

test('without a guest, a network is what routers know of it', () => {
  const router = {
    portId: 'r1',
    networkId: 'net',
    mac: 'fa:16:3e:00:00:aa',
    mtu: 1500,
    fixedIps: [],
    subnets: [subnetOf()],
  }
  const layout = layoutOf('net', [], [router])
  assert.deepEqual(layout.addresses, ['169.254.169.254/32', '10.0.0.1/20'])
  assert.deepEqual(layout.routed, ['10.0.0.0/20'])
})

test('what several ports know of the network adds up, and its card keeps its address', () => {
  const one = { number: 1, facts: portOf({ mtu: 1400 }) }
  const two = {
    number: 2,
    facts: portOf({ portId: 'p2', subnets: [subnetOf({ id: 'subnet-z', cidr: '10.9.0.0/24', gateway: '10.9.0.1' })] }),
  }
  const layout = layoutOf('net', [one, two])
  assert.equal(layout.mtu, 1450)
  assert.deepEqual(
    layout.subnets.map(({ id }) => id),
    ['subnet-a', 'subnet-z'],
  )
  assert.deepEqual(layoutOf('net', [two, one]), layout)
  assert.match(layout.mac, /^02(:[0-9a-f]{2}){5}$/)
  assert.equal(layoutOf('net', []).mac, layout.mac)
})
