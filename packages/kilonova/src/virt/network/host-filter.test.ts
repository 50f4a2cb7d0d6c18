import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostFilter } from './host-filter.ts'
import { namesOf } from './names.ts'

test('it names no link but ours, and accepts nothing but answers', () => {
  const text = hostFilter(namesOf('a1b2'), false)
  const rules = text.split('\n').filter((line) => /(accept|drop)$/.test(line))
  assert.equal(rules.length, 8)
  for (const rule of rules) assert.match(rule, /^ {4}iifname "k[rtv]a1b2\*" /)
  const accepting = rules.filter((rule) => rule.endsWith('accept'))
  assert.equal(accepting.length, 2)
  for (const rule of accepting) assert.match(rule, /ct state established,related accept$/)
  assert.match(text, /^table inet kra1b2$/m)
})

test('where guests reach beyond the machine, they do so as it, and neither it nor each other', () => {
  const [shut, open] = [false, true].map((beyond) => hostFilter(namesOf('a1b2'), beyond).split('\n'))
  assert.deepEqual(
    open?.filter((line) => !shut?.includes(line)).map((line) => line.trim()),
    [
      'iifname "kra1b2*" oifname != "kra1b2*" accept',
      'chain out {',
      'type nat hook postrouting priority 100; policy accept;',
      'iifname "kra1b2*" oifname != "kra1b2*" masquerade',
    ],
  )
})
