import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SecurityRule } from '../driver.ts'
import { ruleOf } from './port-fixture.ts'
import { compileRules, ruleFlaw } from './security-rules.ts'

const statementOf = (wish: Partial<SecurityRule>): string | undefined => {
  const { statements } = compileRules(wish.direction ?? 'ingress', [ruleOf(wish)]).chain
  return statements.length === 3 ? statements[1] : undefined
}

test('a rule says version, peer, protocol and port, of the packet that began the connection', () => {
  assert.equal(statementOf({}), 'meta nfproto ipv4 return')
  assert.equal(
    statementOf({ version: 6, protocol: 'tcp', portMin: 22, portMax: 22 }),
    'meta nfproto ipv6 meta l4proto 6 ct original proto-dst 22 return',
  )
  assert.equal(
    statementOf({ protocol: 'udp', portMin: 1000, portMax: 2000 }),
    'meta nfproto ipv4 meta l4proto 17 ct original proto-dst 1000-2000 return',
  )
  assert.equal(statementOf({ protocol: 'tcp' }), 'meta nfproto ipv4 meta l4proto 6 return')
  assert.equal(statementOf({ protocol: '112' }), 'meta nfproto ipv4 meta l4proto 112 return')
  assert.equal(statementOf({ protocol: 'vrrp' }), 'meta nfproto ipv4 meta l4proto 112 return')
})

test('for ICMP the ports are type and code, one number in a connection, also under its other name for version 6', () => {
  const icmp = (portMin: number | null, portMax: number | null = null) =>
    statementOf({ protocol: 'icmp', portMin, portMax })
  assert.equal(icmp(null), 'meta nfproto ipv4 meta l4proto 1 return')
  assert.equal(icmp(8, 0), 'meta nfproto ipv4 meta l4proto 1 ct original proto-dst 2048 return')
  assert.equal(icmp(8), 'meta nfproto ipv4 meta l4proto 1 ct original proto-dst 2048-2303 return')
  assert.equal(
    statementOf({ protocol: 'icmp', version: 6, portMin: 128 }),
    'meta nfproto ipv6 meta l4proto 58 ct original proto-dst 32768-33023 return',
  )
})

test('a stateless group looks at each packet by itself', () => {
  const { chain, stateless } = compileRules('ingress', [
    ruleOf({ protocol: 'tcp', portMin: 80, portMax: 81, remotes: ['10.0.0.0/24'], stateful: false }),
    ruleOf({ protocol: 'icmp', portMin: 8, portMax: 0, stateful: false }),
  ])
  assert.ok(stateless)
  assert.match(chain.statements.join('\n'), /^meta nfproto ipv4 icmp type 8 icmp code 0 accept$/m)
  assert.match(
    chain.statements.join('\n'),
    /^meta nfproto ipv4 ip saddr @peers-\w+ meta l4proto 6 th dport 80-81 accept$/m,
  )
  assert.equal(chain.statements.at(-1), 'drop')
  assert.doesNotMatch(chain.statements.join(), /ct /)
})

test('peers are a set that rules with the same ones share', () => {
  const peers = ['10.0.0.7', '10.0.0.0/24', 'fd00::/64']
  const one = compileRules('ingress', [
    ruleOf({ remotes: peers }),
    ruleOf({ remotes: peers.toReversed(), protocol: 'tcp' }),
    ruleOf({ version: 6, remotes: peers }),
  ])
  assert.deepEqual(
    one.peers.map(({ version, elements }) => ({ version, elements })),
    [
      { version: 4, elements: ['10.0.0.0/24', '10.0.0.7'] },
      { version: 6, elements: ['fd00::/64'] },
    ],
  )
  assert.match(one.chain.statements.join('\n'), /^meta nfproto ipv4 ct original ip saddr @peers-[0-9a-f]{12} return$/m)
  assert.match(
    compileRules('egress', [ruleOf({ direction: 'egress', remotes: peers })]).chain.statements[1] ?? '',
    /ip daddr @peers/,
  )
})

test('a rule whose peers are all of the other version lets nobody in; one that names everybody, anybody', () => {
  assert.equal(statementOf({ remotes: ['fd00::/64'] }), undefined)
  assert.equal(statementOf({ remotes: ['0.0.0.0/0'] }), 'meta nfproto ipv4 return')
})

test('the order of rules and repeated ones change nothing; other rules make another chain', () => {
  const ssh = ruleOf({ protocol: 'tcp', portMin: 22, portMax: 22 })
  const ping = ruleOf({ protocol: 'icmp' })
  assert.deepEqual(compileRules('ingress', [ssh, ping, ssh]), compileRules('ingress', [ping, ssh]))
  assert.notEqual(compileRules('ingress', [ssh]).chain.name, compileRules('ingress', [ping]).chain.name)
  assert.deepEqual(compileRules('egress', [ssh, ping]).chain.statements, ['ct state invalid drop', 'drop'])
})

test('what could not be enforced as it stands is called out', () => {
  const flawed: Partial<SecurityRule>[] = [
    { protocol: 'tcp; drop' },
    { protocol: '256' },
    { protocol: 'tcp', portMin: 70_000 },
    { protocol: 'tcp', portMin: 5, portMax: 4 },
    { protocol: 'icmp', portMin: 300 },
    { remotes: ['10.0.0.0/8 }'] },
    { remotes: ['any'] },
    { protocol: 'tcp', portMin: 1.5 },
  ]
  for (const wish of flawed) assert.equal(typeof ruleFlaw(ruleOf(wish)), 'string', JSON.stringify(wish))
  for (const wish of [
    {},
    { protocol: 'tcp', portMin: 22, portMax: 22, remotes: ['10.0.0.1', 'fd00::1'] },
    { protocol: 'icmp', portMin: 8, portMax: 0 },
  ]) {
    assert.equal(ruleFlaw(ruleOf(wish)), undefined)
  }
})
