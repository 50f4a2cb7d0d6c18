/** Password hashes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashPassword, passwordMatches } from './password.ts'

test('a hash fits its password and no other, and is another one each time', async () => {
  const [one, two] = await Promise.all([hashPassword('correct horse'), hashPassword('correct horse')])
  assert.notEqual(one, two)
  assert.doesNotMatch(one, /correct/)
  assert.equal(await passwordMatches('correct horse', one), true)
  assert.equal(await passwordMatches('correct horsE', one), false)
})

test('nobody has a password, not even an empty one', async () => {
  assert.equal(await passwordMatches('', undefined), false)
})

test('many at once wait for each other', async () => {
  const hash = await hashPassword('x')
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, index) => passwordMatches(index % 2 ? 'x' : 'y', hash)),
  )
  assert.deepEqual(answers, [false, true, false, true, false, true, false, true])
})
