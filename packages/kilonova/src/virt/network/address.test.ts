import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isCidr, isWithin, leadingHex, linkLocal, netmask, wirePair, WIRE_PAIRS } from './address.ts'

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

test('prefixes lie in wider ones of their version', () => {
  assert.ok(isWithin('10.0.3.7/32', '10.0.3.0/24'))
  assert.ok(isWithin('10.0.3.0/24', '0.0.0.0/0'))
  assert.ok(!isWithin('10.0.0.0/16', '10.0.3.0/24'))
  assert.ok(!isWithin('10.0.4.7/32', '10.0.3.0/24'))
  assert.ok(isWithin('fd00:0:0:7::1/128', 'fd00:0:0:7::/64'))
  assert.ok(!isWithin('fd00:0:0:8::1/128', 'fd00:0:0:7::/64'))
})

test('addresses of version 6 as numbers, however they are written', () => {
  assert.equal(leadingHex('fd00::6', 128), '0xfd000000000000000000000000000006')
  assert.equal(leadingHex('::ffff:10.0.0.1', 128), '0xffff0a000001')
  assert.equal(leadingHex('1:2:3:4:5:6:7:8', 128), '0x10002000300040005000600070008')
  assert.equal(leadingHex('fd00:0:0:7::', 64), '0xfd00000000000007')
  assert.equal(leadingHex('::', 0), '0x0')
})
