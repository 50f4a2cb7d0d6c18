import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { RouterFacts } from '../driver.ts'
import { subnetOf } from './port-fixture.ts'
import { routerFilter } from './router-filter.ts'

const gateway = {
  portId: '11111111-aaaa-4aaa-8aaa-0000000000aa',
  networkId: 'net-public',
  mac: 'fa:16:3e:0a:0b:aa',
  mtu: 1500,
  fixedIps: [{ address: '172.24.4.10', subnetId: 'subnet-public' }],
  subnets: [subnetOf({ id: 'subnet-public', cidr: '172.24.4.0/24', gateway: '172.24.4.1' })],
  snat: true,
}
const ROUTER: RouterFacts = {
  routerId: 'router-a',
  interfaces: [
    {
      portId: '11111111-aaaa-4aaa-8aaa-0000000000ab',
      networkId: 'net-private',
      mac: 'fa:16:3e:0a:0b:ab',
      mtu: 1450,
      fixedIps: [{ address: '10.0.0.1', subnetId: 'subnet-a' }],
      subnets: [subnetOf({ routed: false })],
    },
  ],
  gateway,
  routes: [],
  floatingIps: [
    { address: '172.24.4.200', fixedAddress: '10.0.0.6' },
    { address: '172.24.4.100', fixedAddress: '10.0.0.5' },
  ],
}
const zones = (text: string) => [...text.matchAll(/172\.24\.4\.\d+ : (\d+)[, ]/g)].map(([, zone]) => zone)
const rest = (text: string) => /ct zone set (\d+)/.exec(text)?.[1]

test('the text for a router with two floating IPs; UPDATE_GOLDEN=1 writes it anew', () => {
  const golden = new URL('golden/router.nft', import.meta.url)
  const text = routerFilter(ROUTER)
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(golden, text)
  assert.equal(text, readFileSync(golden, 'utf8'))
})

test('a floating IP that leads elsewhere begins new connections, and the others keep theirs', () => {
  const moved = {
    ...ROUTER,
    floatingIps: [ROUTER.floatingIps[1], { address: '172.24.4.200', fixedAddress: '10.0.0.7' }],
  }
  const [before, after] = [zones(routerFilter(ROUTER)), zones(routerFilter(moved as RouterFacts))]
  assert.equal(before.length, 2)
  assert.equal(after[0], before[0])
  assert.notEqual(after[1], before[1])
  assert.equal(rest(routerFilter(moved as RouterFacts)), rest(routerFilter(ROUTER)))
})

test('what goes out as the gateway begins new connections with another address or another way', () => {
  const other = { ...gateway, fixedIps: [{ address: '172.24.4.11', subnetId: 'subnet-public' }] }
  const all = [gateway, other, { ...gateway, snat: false }].map((each) =>
    rest(routerFilter({ ...ROUTER, gateway: each })),
  )
  assert.equal(new Set(all).size, 3)
})

test('without a gateway nothing is translated', () => {
  assert.equal(
    routerFilter({ ...ROUTER, gateway: null, floatingIps: [] }),
    'table ip router\ndelete table ip router\ntable ip router {\n}\n',
  )
})
