/** The rooms identity, image and network know nothing of each other: only the tests' cloud puts them together. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const ROOMS = ['identity', 'image', 'network']
const root = import.meta.dirname

test('no room imports another one, and the shared room imports none', () => {
  const wrong = globSync('*/**/*.ts', { cwd: root }).flatMap((file) => {
    const [room = ''] = file.split('/')
    const imports = [...readFileSync(join(root, file), 'utf8').matchAll(/from '((?:\.\.\/)+)(\w+)\//g)]
    const steps = file.split('/').length - 1
    return imports
      .filter(([, up = '', to = '']) => up.length / 3 === steps && ROOMS.includes(to) && to !== room)
      .map(([, , to]) => `${file} may not import ${to}`)
  })
  assert.deepEqual(wrong, [])
})
