/** Actions over HTTP: the key in the body says which, its value must fit, and the state must allow it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compute, computeTopic } from '../../rpc/compute.ts'
import { at, cloud, server, settled, type Cloud } from '../testing/cloud.ts'

const act = (it: Cloud, id: string, json: unknown, as = 'member') =>
  it.call('POST', `/servers/${id}/action`, { json, as })

test('an action becomes a task, and a second one has to wait', async (t) => {
  const it = await cloud(t)
  const id = await server(it)
  await settled(it, id)
  assert.equal((await act(it, id, { 'os-stop': null })).status, 202)
  assert.equal(at(await it.call('GET', `/servers/${id}`), 'server', 'OS-EXT-STS:task_state'), 'powering-off')
  const again = await act(it, id, { 'os-stop': null })
  assert.equal(again.status, 409)
  assert.match(
    String(at(again, 'conflictingRequest', 'message')),
    /Cannot 'stop' instance .* while it is in task_state powering-off/,
  )
})

test('what is not an action, or not asked for rightly, is a 400', async (t) => {
  const it = await cloud(t)
  const id = await server(it)
  await settled(it, id)
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [{ dance: null }, /There is no such action: dance/],
    [{}, /There is no such action/],
    [{ 'os-stop': null, 'os-start': null }, /exactly one/],
    [{ reboot: { type: 'GENTLE' } }, /Invalid input for field\/attribute type\. Value: GENTLE/],
    [{ reboot: {} }, /'type' is a required property/],
    [[], /is not of type 'object'/],
  ]
  for (const [json, words] of cases) {
    const answer = await act(it, id, json)
    assert.equal(answer.status, 400, JSON.stringify(answer.body))
    assert.match(JSON.stringify(answer.body), words)
  }
  assert.equal((await act(it, id, { 'os-stop': null }, 'reader')).status, 403)
  assert.equal((await act(it, id, { 'os-stop': null }, 'other')).status, 404)
})

test('reboot is soft or hard by its type, in any case of letters', async (t) => {
  const it = await cloud(t)
  const id = await server(it)
  await settled(it, id)
  assert.equal((await act(it, id, { reboot: { type: 'soft' } })).status, 202)
  assert.equal((await act(it, id, { reboot: { type: 'HARD' } })).status, 202, 'a hard reboot cancels the soft one')
})

test('console output is the end of what the host has', async (t) => {
  const it = await cloud(t)
  const id = await server(it)
  assert.equal((await act(it, id, { 'os-getConsoleOutput': {} })).status, 409, 'it has no host yet')
  await settled(it, id)
  assert.equal((await act(it, id, { 'os-getConsoleOutput': {} })).status, 409, 'its host does not answer')
  const stop = it.bus.serve(computeTopic('host1'), async (method, input) => {
    assert.equal(method, 'consoleOutput')
    compute.consoleOutput.input.parse(input)
    return 'one\ntwo\nthree\n'
  })
  t.after(stop)
  const output = async (value: object) => at(await act(it, id, { 'os-getConsoleOutput': value }), 'output')
  assert.equal(await output({}), 'one\ntwo\nthree\n')
  assert.equal(await output({ length: 2 }), 'two\nthree\n')
  assert.equal(await output({ length: '1' }), 'three\n')
  assert.equal(await output({ length: null }), 'one\ntwo\nthree\n')
  assert.equal(await output({ length: -1 }), 'one\ntwo\nthree\n')
  assert.equal((await act(it, id, { 'os-getConsoleOutput': { length: 'x' } })).status, 400)
})
