/** What is written beside a running task (name, metadata, tags, a lock) stays, at whichever step it comes, and the task goes on. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ACTIONS } from '@kilonova/kilonova/actions/index.ts'
import { changeServer, setLock, setMetadata, setTags } from '@kilonova/kilonova/db/server-columns.ts'
import { life } from './life.ts'
import { prepare } from './run-case.ts'
import { world, type World } from './world.ts'

let w: World
let hosts: readonly { close(): Promise<void> }[] = []
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

async function writeAll(id: string): Promise<void> {
  const now = w.clock.now()
  await changeServer(w.db, id, { name: 'meanwhile', description: 'said meanwhile' }, now)
  await setMetadata(w.db, id, { said: 'meanwhile' }, now)
  await setTags(w.db, id, ['meanwhile'], now)
  await setLock(w.db, id, { by: 'owner', reason: 'meanwhile' }, now)
}

const written = ({ name, description, metadata, tags, lockedReason }: Awaited<ReturnType<World['server']>>) => ({
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
      const steps = action.steps.map((step) =>
        step.name === during
          ? {
              ...step,
              run: async (...[ctx, done]: Parameters<typeof step.run>) => {
                await writeAll(ctx.server.id)
                return step.run(ctx, done)
              },
            }
          : step,
      )
      const conductor = await w.conductor(life(), { ...ACTIONS, [name]: { ...action, steps } })
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
