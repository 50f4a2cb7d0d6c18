import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostFilter } from './host-filter.ts'
import { namesOf } from './names.ts'

test('it names no link but ours, and accepts nothing but answers', () => {
  const text = hostFilter(namesOf('a1b2'))
  const rules = text.split('\n').filter((line) => /(accept|drop)$/.test(line))
  assert.equal(rules.length, 8)
  for (const rule of rules) assert.match(rule, /^ {4}iifname "k[rtv]a1b2\*" /)
  const accepting = rules.filter((rule) => rule.endsWith('accept'))
  assert.equal(accepting.length, 2)
  for (const rule of accepting) assert.match(rule, /ct state established,related accept$/)
  assert.match(text, /^table inet kra1b2$/m)
})
