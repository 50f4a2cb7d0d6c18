/** What is written beside a running task (name, metadata, tags, a lock) stays, at whichever step it comes, and the task goes on. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { ACTIONS } from '@kilonova/kilonova/actions/index.ts'
import { changeServer, setLock, setMetadata, setTags } from '@kilonova/kilonova/db/server-columns.ts'
import type { Server } from '@kilonova/kilonova/domain/server.ts'
import { life } from './life.ts'
import { prepare } from './run-case.ts'
import { withStep } from './with-step.ts'
import { worldUp } from './world-up.ts'

const { w, close } = await worldUp()
after(close)

async function writeAll(id: string): Promise<void> {
  const now = w.clock.now()
  await changeServer(w.db, id, { name: 'meanwhile', description: 'said meanwhile' }, now)
  await setMetadata(w.db, id, { said: 'meanwhile' }, now)
  await setTags(w.db, id, ['meanwhile'], now)
  await setLock(w.db, id, { by: 'owner', reason: 'meanwhile' }, now)
}

const written = ({ name, description, metadata, tags, lockedReason }: Server) => ({
  name,
  description,
  metadata,
  tags,
  lockedReason,
})
const MEANWHILE = {
  name: 'meanwhile',
  description: 'said meanwhile',
  metadata: { said: 'meanwhile' },
  tags: ['meanwhile'],
  lockedReason: 'meanwhile',
}
for (const [name, action] of Object.entries(ACTIONS))
  for (const { name: during } of action.steps)
    test(`${name}: others write during step ${during}`, async () => {
      const { serverId, portId } = await prepare(w, action)
      const actions = withStep(action, during, (step) => ({
        ...step,
        run: async (ctx, done) => {
          await writeAll(ctx.server.id)
          return step.run(ctx, done)
        },
      }))
      const conductor = await w.conductor(life(), actions)
      try {
        const asked = serverId === undefined ? await w.create(portId) : await w.ask(action, serverId)
        assert.equal(await w.ended(asked.taskId), 'succeeded')
        const server = await w.server(asked.serverId)
        assert.deepEqual(written(server), MEANWHILE)
        if (typeof action.then !== 'function' && action.then.vmState !== undefined)
          assert.equal(server.vmState, action.then.vmState)
        assert.equal(server.taskState, null)
      } finally {
        await conductor.close()
      }
    })
