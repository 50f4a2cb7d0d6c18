/** What is being done to a server is stopped by its user, or by an administrator who resets its state: it is undone, and nothing is left. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { cancelRunning } from '@kilonova/kilonova/actions/cancel.ts'
import { deleteServer } from '@kilonova/kilonova/actions/delete.ts'
import { ACTIONS } from '@kilonova/kilonova/actions/index.ts'
import { resetState } from '@kilonova/kilonova/actions/reset-state.ts'
import { softDelete } from '@kilonova/kilonova/actions/soft-delete.ts'
import { stop } from '@kilonova/kilonova/actions/stop.ts'
import { isNovaError } from '@kilonova/kilonova/domain/errors.ts'
import { life } from './life.ts'
import { prepare } from './run-case.ts'
import type { Asked } from './things.ts'
import { withStep } from './with-step.ts'
import { worldUp } from './world-up.ts'

const { w, close } = await worldUp()
after(close)

const user = { userId: 'alice', projectId: 'p', requestId: 'req-stop', isAdmin: true }
const asked = () => {
  throw new Error('asked to fail')
}

for (const action of Object.values(ACTIONS))
  for (const [index, when, name] of action.steps.flatMap(({ name }, index) => [
    [index, 'in', name] as const,
    [index, 'after', name] as const,
  ]))
    test(`${action.name} is cancelled ${when} its step ${name}${index < action.pivotAt ? '' : ', which is too late'}`, async () => {
      const { serverId, portId } = await prepare(w, action)
      const stood = serverId === undefined ? undefined : await w.standing(serverId)
      const counts = await w.counts()
      const told = Promise.withResolvers<unknown>()
      const actions = withStep(action, name, (step) => ({
        ...step,
        run: async (ctx, done) => {
          const cancel = () =>
            cancelRunning(w.admission, user, ctx.server.id).then(() => told.resolve(undefined), told.resolve)
          if (when === 'in') await cancel()
          const out = await step.run(ctx, done)
          if (when === 'after') await cancel()
          return out
        },
      }))
      const conductor = await w.conductor(life(), actions)
      try {
        const { taskId, serverId: id } = serverId === undefined ? await w.create(portId) : await w.ask(action, serverId)
        const result = await w.ended(taskId)
        const refusal = await told.promise
        if (index >= action.pivotAt) {
          assert.ok(isNovaError(refusal, 'TaskPastPivot'), String(refusal))
          assert.equal(result, 'succeeded')
          return
        }
        assert.equal(refusal, undefined)
        // The last step was done already, or asks no host: there is nothing left to stop.
        if (result === 'succeeded') return assert.equal(index, Math.min(action.pivotAt, action.steps.length) - 1)
        const server = await w.server(id)
        assert.equal(server.fault?.message, 'Cancelled by kilonova:cancel.')
        if (stood) assert.deepEqual([await w.standing(id), await w.counts()], [stood, counts])
        else assert.deepEqual([server.vmState, server.host], ['error', null])
      } finally {
        await conductor.close()
      }
    })

/** While the undo of a stop keeps failing. */
async function whileStuck(run: (stuck: Asked) => Promise<void>): Promise<void> {
  const { serverId = '' } = await prepare(w, stop)
  const putOff = Promise.withResolvers<void>()
  const unheard = w.heard.on((phrase) => phrase === 'task put off' && putOff.resolve())
  const actions = withStep(stop, 'shutdown', (step) => ({
    ...step,
    run: async () => asked(),
    undo: async () => asked(),
  }))
  const conductor = await w.conductor(life(), actions)
  try {
    const stuck = await w.ask(stop, serverId)
    await putOff.promise
    await run(stuck)
  } finally {
    unheard()
    await conductor.close()
  }
}

test('a state is reset although the undo of what runs keeps failing', () =>
  whileStuck(async ({ taskId, serverId }) => {
    assert.equal(await w.ended((await w.ask(resetState, serverId)).taskId), 'succeeded')
    assert.equal(await w.ended(taskId), 'undone')
    const { vmState, taskState } = await w.standing(serverId)
    assert.deepEqual([vmState, taskState], ['error', null])
  }))

test('a delete waits for nobody: not for what a soft delete waits for, either', () =>
  whileStuck(async (stopping) => {
    const deleting = await w.ask(softDelete, stopping.serverId)
    const { taskId } = await w.ask(deleteServer, stopping.serverId)
    for (const earlier of [stopping, deleting]) assert.equal(await w.ended(earlier.taskId), 'undone')
    assert.equal(await w.ended(taskId), 'succeeded')
    assert.equal((await w.server(stopping.serverId)).vmState, 'deleted')
  }))
