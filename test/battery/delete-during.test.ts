/** A delete may come at any moment: during any step of a create, and while an undo keeps failing. It ends, and nothing is left. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { ACTIONS } from '@kilonova/kilonova/actions/index.ts'
import { deleteServer } from '@kilonova/kilonova/actions/delete.ts'
import { create } from '@kilonova/kilonova/actions/create.ts'
import { life } from './life.ts'
import { prepare } from './run-case.ts'
import type { Asked } from './things.ts'
import { withStep } from './with-step.ts'
import { worldUp } from './world-up.ts'

const { w, close } = await worldUp()
after(close)

for (const weather of ['calm', 'storm'] as const)
  for (const { name } of create.steps)
    for (const when of ['before', 'after'] as const)
      test(`${weather}: a delete comes ${when} step ${name} of a create`, async () => {
        const { portId } = await prepare(w, create)
        const counts = await w.counts()
        let removal: Promise<Asked> | undefined
        const remove = (serverId: string) => (removal ??= w.ask(deleteServer, serverId))
        const actions = withStep(create, name, (step) => ({
          ...step,
          run: async (ctx, done) => {
            if (when === 'before') await remove(ctx.server.id)
            const out = await step.run(ctx, done)
            if (when === 'after') await remove(ctx.server.id)
            return out
          },
        }))
        const conductor = await w.conductor(life(), actions)
        w.setWeather(weather)
        try {
          const { serverId, taskId } = await w.create(portId)
          await w.ended(taskId)
          // In a storm the create may have failed before it came to the step.
          const { taskId: removing } = await remove(serverId)
          assert.equal(await w.ended(removing), 'succeeded')
          assert.equal((await w.server(serverId)).vmState, 'deleted')
        } finally {
          w.setWeather('calm')
          await conductor.close()
        }
        assert.deepEqual(await w.counts(), counts)
      })

for (const { name, undo } of create.steps)
  if (undo)
    test(`a delete does not wait for the undo of ${name}, which keeps failing`, async () => {
      const { portId } = await prepare(w, create)
      const counts = await w.counts()
      const putOff = Promise.withResolvers<void>()
      const stop = w.heard.on((phrase) => phrase === 'task put off' && putOff.resolve())
      const actions = withStep(create, name, (step) => ({
        ...step,
        run: async (ctx, done) => {
          await step.run(ctx, done)
          throw new Error('asked to fail')
        },
        undo: async () => {
          throw new Error('asked to fail for ever')
        },
      }))
      const conductor = await w.conductor(life(), actions)
      try {
        const { serverId, taskId } = await w.create(portId)
        await putOff.promise
        const removal = await w.ask(deleteServer, serverId)
        assert.equal(await w.ended(removal.taskId), 'succeeded')
        assert.equal(await w.ended(taskId), 'undone')
        assert.equal((await w.server(serverId)).vmState, 'deleted')
      } finally {
        stop()
        await conductor.close()
      }
      assert.deepEqual(await w.counts(), counts)
    })

for (const [name, action] of Object.entries(ACTIONS))
  if (!action.removesAll && name !== 'create')
    for (const { name: during } of action.steps)
      test(`a delete comes after step ${during} of ${name}`, async () => {
        const before = await w.counts()
        const { serverId = '' } = await prepare(w, action)
        const removal = Promise.withResolvers<Asked>()
        const actions = withStep(action, during, (step) => ({
          ...step,
          run: async (ctx, done) => {
            const out = await step.run(ctx, done)
            removal.resolve(await w.ask(deleteServer, serverId))
            return out
          },
        }))
        const conductor = await w.conductor(life(), actions)
        try {
          const { taskId } = await w.ask(action, serverId)
          assert.equal(await w.ended((await removal.promise).taskId), 'succeeded')
          await w.ended(taskId)
          assert.equal((await w.server(serverId)).vmState, 'deleted')
        } finally {
          await conductor.close()
        }
        // What its user made stays: their port, and images that were whole by then.
        const { ports, images, ...rest } = await w.counts()
        assert.deepEqual({ ports, ...rest }, { ...without(before, 'images'), ports: before.ports + 1 })
        assert.ok(images <= before.images + 1)
      })

const without = <T extends object, K extends keyof T>(from: T, key: K): Omit<T, K> => {
  const { [key]: _, ...rest } = from
  return rest
}
