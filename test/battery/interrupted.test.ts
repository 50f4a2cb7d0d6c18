/** What is being done to a server is stopped by its user, or by an administrator who resets its state: it is undone, and nothing is left. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { cancelRunning } from '@kilonova/kilonova/actions/cancel.ts'
import type { ServerAction } from '@kilonova/kilonova/actions/define.ts'
import { deleteServer } from '@kilonova/kilonova/actions/delete.ts'
import { ACTIONS } from '@kilonova/kilonova/actions/index.ts'
import { resetState } from '@kilonova/kilonova/actions/reset-state.ts'
import { softDelete } from '@kilonova/kilonova/actions/soft-delete.ts'
import { stop } from '@kilonova/kilonova/actions/stop.ts'
import { isNovaError } from '@kilonova/kilonova/domain/errors.ts'
import { life } from './life.ts'
import { prepare } from './run-case.ts'
import { world, type World } from './world.ts'

let w: World
let hosts: Awaited<ReturnType<World['startHost']>>[] = []
before(async () => {
  w = await world()
  const conductor = await w.conductor(life())
  hosts = await Promise.all(w.hosts.map((host) => w.startHost(host)))
  await conductor.close()
})
after(async () => {
  await Promise.all(hosts.map((host) => host.close()))
  await w.close()
})

type Step = ServerAction['steps'][number]
const withStep = (action: ServerAction, name: string | undefined, change: (step: Step) => Step) => ({
  ...ACTIONS,
  [action.name]: { ...action, steps: action.steps.map((step) => (step.name === name ? change(step) : step)) },
})
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

test('a state is reset although the undo of what runs keeps failing', async () => {
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
    const { taskId } = await w.ask(stop, serverId)
    await putOff.promise
    assert.equal(await w.ended((await w.ask(resetState, serverId)).taskId), 'succeeded')
    assert.equal(await w.ended(taskId), 'undone')
    const { vmState, taskState } = await w.standing(serverId)
    assert.deepEqual([vmState, taskState], ['error', null])
  } finally {
    unheard()
    await conductor.close()
  }
})

test('a delete waits for nobody: not for what a soft delete waits for, either', async () => {
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
    const stopping = await w.ask(stop, serverId)
    await putOff.promise
    const deleting = await w.ask(softDelete, serverId)
    const { taskId } = await w.ask(deleteServer, serverId)
    for (const earlier of [stopping, deleting]) assert.equal(await w.ended(earlier.taskId), 'undone')
    assert.equal(await w.ended(taskId), 'succeeded')
    assert.equal((await w.server(serverId)).vmState, 'deleted')
  } finally {
    unheard()
    await conductor.close()
  }
})
