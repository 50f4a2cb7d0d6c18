import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isCidr, linkLocal, netmask, wirePair, WIRE_PAIRS } from './address.ts'

test('a prefix is an address and a length, and nothing after it', () => {
  for (const good of ['10.0.0.0/8', '0.0.0.0/0', '10.0.0.5/32', 'fd00::/64', '::/0']) assert.ok(isCidr(good), good)
  for (const bad of [
    '10.0.0.0',
    '10.0.0.0/33',
    '10.0.0/8',
    'fd00::/129',
    '10.0.0.0/8/8',
    '10.0.0.0/8 }',
    '10.0.0.0/',
    '/8',
    '10.0.0.0/-1',
  ]) {
    assert.equal(isCidr(bad), false, bad)
  }
})

test('a prefix length becomes a mask', () => {
  assert.equal(netmask('10.0.0.0/20'), '255.255.240.0')
  assert.equal(netmask('0.0.0.0/0'), '0.0.0.0')
  assert.equal(netmask('10.0.0.1/32'), '255.255.255.255')
})

test('a card gives itself a link-local address', () => {
  assert.equal(linkLocal('fa:16:3e:0a:0b:0c'), 'fe80::f816:3eff:fe0a:b0c')
})

test('pairs of addresses stay in the range kept for benchmarks', () => {
  assert.deepEqual(wirePair(1), { root: '198.18.0.2', inner: '198.18.0.3' })
  assert.deepEqual(wirePair(WIRE_PAIRS), { root: '198.19.255.254', inner: '198.19.255.255' })
})
