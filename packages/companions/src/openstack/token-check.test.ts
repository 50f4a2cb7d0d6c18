/** The token check against an identity service that counts, forgets and goes away. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { httpServer, type HttpServer } from '@kilonova/base/http/server.ts'
import { silentLog } from '@kilonova/base/log.ts'
import { testClock } from '../test-clock.ts'
import { tokenCheck } from './token-check.ts'

/** Issues `own-1`, `own-2`, …; knows `user`, and `unscoped` without a project; forgets its own tokens on demand. */
let server: HttpServer
let url = ''
let issued = 0
let valid = ''
let asked = 0
const clock = testClock()
const until = () => new Date(clock.now() + 600_000).toISOString()

before(async () => {
  server = httpServer({ host: '127.0.0.1', port: 0, bodyLimitBytes: 10_000, ready: () => undefined })
  server.app.post('/v3/auth/tokens', (_request, reply) => {
    valid = `own-${++issued}`
    return reply
      .code(201)
      .header('x-subject-token', valid)
      .send({ token: { expires_at: until() } })
  })
  server.app.get('/v3/auth/tokens', (request, reply) => {
    asked++
    if (request.headers['x-auth-token'] !== valid) return reply.code(401).send({})
    const subject = request.headers['x-subject-token']
    if (subject === 'broken') return reply.code(500).send({})
    if (subject !== 'user' && subject !== 'unscoped') return reply.code(404).send({})
    const scope = subject === 'user' ? { project: { id: 'p' }, roles: [{ name: 'member' }] } : {}
    return reply.send({ token: { user: { id: 'u' }, expires_at: until(), ...scope } })
  })
  url = await server.listen()
})
after(() => server.close())

const newCheck = (identityUrl = url) =>
  tokenCheck({
    identityUrl,
    serviceCredentials: { username: 's', password: 'p', projectName: 'service' },
    clock,
    log: silentLog,
  })
const status = (wanted: number) => (error: { status?: number }) => error.status === wanted

test('an answer is shared by all who wait for it and kept for five seconds', async () => {
  const check = newCheck()
  asked = 0
  const callers = await Promise.all(Array.from({ length: 20 }, () => check.caller('user')))
  assert.deepEqual([callers[0]?.projectId, callers[0]?.roles.has('member'), callers[0]?.admin], ['p', true, false])
  assert.equal(asked, 1)
  clock.advance(5_001)
  await check.caller('user')
  assert.equal(asked, 2)
})

test('our own token is renewed when it is refused, and before it expires', async () => {
  const check = newCheck()
  await check.caller('user')
  const before = issued
  valid = 'lost in a restart'
  clock.advance(5_001)
  assert.equal((await check.caller('user')).userId, 'u')
  assert.equal(issued, before + 1)
  clock.advance(550_000)
  await check.caller('user')
  assert.equal(issued, before + 2)
})

test('unknown, missing and giant tokens are 401, one without a project 403', async () => {
  const check = newCheck()
  for (const token of ['stranger', undefined, '', 'x'.repeat(9000)])
    await assert.rejects(check.caller(token), status(401))
  await assert.rejects(check.caller('unscoped'), status(403))
})

test('an identity service that fails or is gone is a 503, and is asked again', async () => {
  const check = newCheck()
  await assert.rejects(check.caller('broken'), status(503))
  asked = 0
  await assert.rejects(check.caller('broken'), status(503))
  assert.equal(asked, 1)
  await assert.rejects(newCheck('http://127.0.0.1:9').caller('user'), status(503))
})
