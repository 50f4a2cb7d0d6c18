/** Addresses, blocks and keys. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  eui64,
  formatAddress,
  formatCidr,
  inside,
  keyOf,
  ofKey,
  parseAddress,
  parseCidr,
  textOfKey,
} from './address.ts'

const canonical = (text: string) => {
  const address = parseAddress(text)
  return address && formatAddress(address)
}

test('addresses are read and written in their canonical form', () => {
  assert.equal(canonical('10.0.0.255'), '10.0.0.255')
  assert.equal(canonical('0.0.0.0'), '0.0.0.0')
  assert.equal(canonical('2001:DB8:0:0:0:0:0:1'), '2001:db8::1')
  assert.equal(canonical('::'), '::')
  assert.equal(canonical('fe80::1:0:0:2'), 'fe80::1:0:0:2')
  assert.equal(canonical('::ffff:1.2.3.4'), '::ffff:102:304')
  for (const wrong of ['10.0.0.256', '10.0.0', '010.0.0.1', '', 'fe80::1%eth0', '1::2::3', 'x'])
    assert.equal(parseAddress(wrong), undefined)
})

test('a key sorts as its address does and gives it back', () => {
  const addresses = ['9.255.255.255', '10.0.0.1', '10.0.0.2', '200.1.1.1']
  const keys = addresses.map((text) => keyOf(4, parseAddress(text)?.value ?? 0n))
  assert.deepEqual(keys.toSorted(), keys)
  assert.deepEqual(keys.map(textOfKey), addresses)
  assert.equal(textOfKey(keyOf(6, 1n)), '::1')
  assert.deepEqual(ofKey(keyOf(4, 7n)), { version: 4, value: 7n })
})

test('blocks', () => {
  const block = parseCidr('10.1.2.3/20')
  assert.ok(block)
  assert.equal(formatCidr(block), '10.1.0.0/20')
  assert.equal(formatAddress({ version: 4, value: block.last }), '10.1.15.255')
  assert.equal(inside(block, { version: 4, value: block.last }), true)
  assert.equal(inside(block, { version: 4, value: block.last + 1n }), false)
  assert.equal(inside(block, { version: 6, value: block.last }), false)
  for (const wrong of ['10.0.0.0', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/8/8', '::/129', '/8'])
    assert.equal(parseCidr(wrong), undefined)
})

test('a guest’s own IPv6 address comes from prefix and MAC', () => {
  const prefix = parseCidr('2001:db8::/64')
  assert.ok(prefix)
  assert.equal(formatAddress(eui64(prefix, 'fa:16:3e:00:00:01')), '2001:db8::f816:3eff:fe00:1')
})
