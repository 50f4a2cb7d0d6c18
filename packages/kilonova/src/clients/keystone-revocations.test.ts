/** The feed of revocations: what is told is passed on, silence is noticed, and a Keystone that has none is left alone. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { followRevocations, type Ended } from './keystone-revocations.ts'
import type { Asked } from './service.ts'

type Answer = Asked | Error

/** A service that is asked by hand: `answer` answers the question that waits, or the next one. */
function feed(t: TestContext, retryMs = 5) {
  const questions: string[] = []
  const told: Ended[] = []
  let waiting = Promise.withResolvers<Answer>()
  let arrival = Promise.withResolvers<void>()
  const follower = followRevocations({
    retryMs,
    ended: (what) => told.push(what),
    ask: async (path) => {
      questions.push(path)
      const mine = waiting
      arrival.resolve()
      const answer = await mine.promise
      if (answer instanceof Error) throw answer
      return answer
    },
  })
  t.after(() => {
    follower.close()
    waiting.resolve(new Error('the test is over'))
  })
  return {
    ...follower,
    questions,
    told,
    /** Answers, and waits for the next question. */
    answer: async (answer: Answer) => {
      const [mine] = [waiting]
      waiting = Promise.withResolvers<Answer>()
      arrival = Promise.withResolvers<void>()
      mine.resolve(answer)
      await arrival.promise
    },
    last: (answer: Answer) => waiting.resolve(answer),
  }
}

const page = (cursor: string, more: object = {}): Answer => ({
  status: 200,
  headers: {},
  body: { cursor, all: false, audit_ids: [], user_ids: [], ...more },
})

test('the first answer may mean anything; then what is told is passed on, from where the last answer ended', async (t) => {
  const it = feed(t)
  await it.answer(page('1', { all: true }))
  await it.answer(page('2', { audit_ids: ['a'], user_ids: ['u', 'v'] }))
  assert.equal(it.heard(), true)
  assert.deepEqual(
    it.told.map(({ all, auditIds, userIds }) => [all, [...auditIds], [...userIds]]),
    [
      [true, [], []],
      [false, ['a'], ['u', 'v']],
    ],
  )
  assert.deepEqual(it.questions, [
    '/v3/kilonova/revocations',
    '/v3/kilonova/revocations?since=1&wait=30',
    '/v3/kilonova/revocations?since=2&wait=30',
  ])
})

test('a feed that ends is noticed: everything may have ended meanwhile', async (t) => {
  const it = feed(t)
  await it.answer(page('1', { all: true }))
  await it.answer(new Error('reset'))
  assert.equal(it.heard(), false)
  assert.deepEqual(
    it.told.map(({ all }) => all),
    [true, true],
  )
  await it.answer(page('1', { all: true }))
  assert.equal(it.heard(), true)
})

test('a Keystone without a feed is fine, and so is one that answers something else', async (t) => {
  for (const body of [{ error: { code: 404 } }, 'nothing here', undefined]) {
    const it = feed(t)
    it.last({ status: body === undefined ? 200 : 404, headers: {}, body })
    await it.ready
    assert.equal(it.heard(), true)
    assert.deepEqual(it.told, [])
  }
})

test('a service that answers at once, and nothing, is not asked in a circle', async (t) => {
  const it = feed(t, 200)
  await it.answer(page('1'))
  const began = performance.now()
  await it.answer(page('1'))
  assert.ok(performance.now() - began > 150)
})
