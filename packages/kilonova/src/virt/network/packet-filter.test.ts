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
  {
    number: 4,
    facts: portOf({
      portId: '11111111-aaaa-4aaa-8aaa-000000000004',
      mac: 'fa:16:3e:0a:0b:0f',
      fixedIps: [{ address: '10.0.0.8', subnetId: 'subnet-a' }],
      allowedPairs: [
        { cidr: '10.0.3.0/24', mac: 'fa:16:3e:0a:0b:0f' },
        { cidr: '10.0.3.7/32', mac: 'fa:16:3e:0a:0b:0f' },
        { cidr: '10.0.0.99/32', mac: '00:00:5e:00:01:01' },
        { cidr: 'fd00:0:0:7::/64', mac: 'fa:16:3e:0a:0b:0f' },
      ],
      rules: [ruleOf({ ...web, stateful: false }), ruleOf({ ...out, stateful: false })],
    }),
  },
  {
    number: 5,
    facts: portOf({ portId: '11111111-aaaa-4aaa-8aaa-000000000005', mac: 'fa:16:3e:0a:0b:10', adminUp: false }),
  },
]

test('the text for two guarded ports, an open one, a stateless one with address pairs and one that is down; UPDATE_GOLDEN=1 writes it anew', () => {
  const golden = new URL('golden/five-ports.nft', import.meta.url)
  const text = packetFilter(PORTS)
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(golden, text)
  assert.equal(text, readFileSync(golden, 'utf8'))
})

test('the number that connections carry is one of the rules: it stays with them, and changes with any of them', () => {
  const passed = (text: string) => /ct mark set (0x[0-9a-f]{8})/.exec(text)?.[1]
  const [first, second] = PORTS
  assert.ok(first && second)
  const closed = { ...second, facts: { ...second.facts, rules: [out] } }
  assert.ok(passed(packetFilter(PORTS)))
  assert.notEqual(passed(packetFilter([first, closed])), passed(packetFilter([first, second])))
  assert.equal(passed(packetFilter([second, first])), passed(packetFilter([first, second])))
})

test('a port that is down is nowhere in it', () => {
  assert.equal(packetFilter([{ number: 5, facts: portOf({ adminUp: false }) }]), packetFilter([]))
})

test('ports in any order give the same text, and ports with the same rules share their chains', () => {
  assert.equal(packetFilter(PORTS.toReversed()), packetFilter(PORTS))
  // Two of the stateful ports, two of the stateless one; its pairs have their own, which say the same.
  assert.equal(packetFilter(PORTS).match(/chain (in|out)-/g)?.length, 4)
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
    .filter((line) => /(accept|drop|return)$/.test(line))
  const one = packetFilter(many.slice(0, 1))
    .split('\n')
    .filter((line) => /(accept|drop|return)$/.test(line))
  assert.equal(rules.length, one.length)
})
