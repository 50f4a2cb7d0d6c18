import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { packetFilter } from './packet-filter.ts'
import { portOf, ruleOf, subnetOf } from './port-fixture.ts'

const web = { direction: 'ingress', protocol: 'tcp', portMin: 80, portMax: 80, remotes: ['10.0.0.0/20'] } as const
const out = ruleOf({ direction: 'egress' })
const PORTS = [
  { number: 1, facts: portOf({ rules: [ruleOf(web), out] }) },
  {
    number: 2,
    facts: portOf({
      portId: '11111111-aaaa-4aaa-8aaa-000000000002',
      mac: 'fa:16:3e:0a:0b:0d',
      fixedIps: [
        { address: '10.0.0.6', subnetId: 'subnet-a' },
        { address: 'fd00::6', subnetId: 'subnet-b' },
      ],
      subnets: [subnetOf(), subnetOf({ id: 'subnet-b', cidr: 'fd00::/64', gateway: 'fd00::1' })],
      rules: [out, ruleOf(web)],
    }),
  },
  {
    number: 3,
    facts: portOf({
      portId: '11111111-aaaa-4aaa-8aaa-000000000003',
      mac: 'fa:16:3e:0a:0b:0e',
      portSecurity: false,
      fixedIps: [],
    }),
  },
]

test('the text for two guarded ports and an open one; UPDATE_GOLDEN=1 writes it anew', () => {
  const golden = new URL('golden/three-ports.nft', import.meta.url)
  const text = packetFilter(PORTS)
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(golden, text)
  assert.equal(text, readFileSync(golden, 'utf8'))
})

test('ports in any order give the same text, and ports with the same rules share their chains', () => {
  assert.equal(packetFilter(PORTS.toReversed()), packetFilter(PORTS))
  assert.equal(packetFilter(PORTS).match(/chain (in|out)-/g)?.length, 2)
})

test('five hundred ports with one group cost two chains and elements in sets, no rule each', () => {
  const many = Array.from({ length: 500 }, (_, index) => ({
    number: index + 1,
    facts: portOf({
      portId: `port-${index}`,
      fixedIps: [{ address: `10.0.${index >> 8}.${index & 255}`, subnetId: 'subnet-a' }],
      rules: [ruleOf(web), out],
    }),
  }))
  const rules = packetFilter(many)
    .split('\n')
    .filter((line) => /(accept|drop)$/.test(line))
  assert.equal(
    rules.length,
    packetFilter(PORTS)
      .split('\n')
      .filter((line) => /(accept|drop)$/.test(line)).length,
  )
})
