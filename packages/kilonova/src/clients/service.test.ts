/** What is said of a service that fails: users learn which one, the log where and why, and nobody a secret. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, refused } from './service.ts'
import { httpService } from './testing.ts'

const TOKEN = 'gAAAA-token-of-alice'
const PASSWORD = 'correct-horse'

test('a service out of reach or in trouble is named without its place; the cause has it', async (t) => {
  const { url, close } = await httpService(t, () => ({ status: 503, json: { error: { message: 'too much to do' } } }))
  const request = { method: 'GET', url: `${url}/v2.0/ports?secret=x` } as const
  const problem = async () =>
    ask('network', request).then(
      () => assert.fail('it answered'),
      (error: Error) => ({ text: error.message, cause: (error.cause as Error).message }),
    )
  const busy = await problem()
  assert.equal(busy.text, 'The network service does not answer.')
  assert.equal(busy.cause, `GET ${url}/v2.0/ports: it answered 503 too much to do`)
  await close()
  const gone = await problem()
  assert.equal(gone.text, busy.text)
  assert.match(gone.cause, /^GET http:\/\/127\.0\.0\.1:\d+\/v2\.0\/ports: .*ECONNREFUSED/)
})

test('a service that repeats what it was sent is not repeated', async (t) => {
  const { url } = await httpService(t, ({ path, headers, json }) => ({
    status: path === '/broken' ? 500 : 409,
    json: { error: { message: `no ${String(headers['x-auth-token'])} and ${JSON.stringify(json)}` } },
  }))
  const request = (path: string) =>
    ({
      method: 'POST',
      url: `${url}${path}`,
      headers: { 'x-auth-token': TOKEN },
      json: { auth: { password: { user: { name: 'nova', password: PASSWORD } } } },
    }) as const
  const answer = await ask('identity', request('/'))
  const { message } = refused('identity', answer)
  assert.match(message, /no \*\*\* and .*"nova","password":"\*\*\*"/)
  await assert.rejects(ask('identity', request('/broken')), (error: Error) => {
    const told = `${error.message} ${(error.cause as Error).message}`
    assert.match(told, /it answered 500 no \*\*\*/)
    assert.ok(!told.includes(PASSWORD) && !told.includes(TOKEN))
    return true
  })
})
