import assert from 'node:assert/strict'
import { test } from 'node:test'
import { innerLink, namesOf } from './names.ts'

const port = '11111111-aaaa-4aaa-8aaa-000000000001'

test('every name carries the installation and fits the kernel', () => {
  const names = namesOf('a1b2c3')
  const links = [names.tap(port), names.wire(port), names.uplink(port)]
  for (const link of links) {
    assert.ok(link.length <= 15 && link.includes('a1b2c3'), link)
    assert.ok(names.isLink(link))
  }
  assert.equal(new Set(links).size, 3)
  assert.match(names.namespace(port), /^kna1b2c3-[0-9a-z]{7}$/)
  assert.ok(names.isNamespace(names.namespace(port)))
  assert.ok(names.runtime(port).startsWith('/run/kilonova-a1b2c3/'))
})

test("another installation's names are not ours, also when one id begins as the other", () => {
  const ours = namesOf('a1b2')
  const theirs = namesOf('a1b2c3')
  for (const link of [theirs.tap(port), theirs.wire(port), theirs.uplink(port), 'eth0', 'kta1b2'])
    assert.equal(ours.isLink(link), false)
  assert.equal(ours.isNamespace(theirs.namespace(port)), false)
})

test('names of ports and networks repeat and do not collide', () => {
  const ids = Array.from({ length: 20_000 }, (_, index) => `port-${index}`)
  assert.equal(new Set(ids.map(innerLink)).size, ids.length)
  assert.equal(innerLink('port-1'), innerLink('port-1'))
})

test('an id that is not 4 to 6 hex digits is refused', () => {
  for (const id of ['', 'abc', 'abcdef0', 'xyzw', 'AB12', '../a']) assert.throws(() => namesOf(id), /installation id/)
})
