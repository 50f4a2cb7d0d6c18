/** Hosts and conductors that go away and come back: what a dead host owes, and what an old conductor may no longer do. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { ACTIONS } from '@kilonova/kilonova/actions/index.ts'
import { deleteServer } from '@kilonova/kilonova/actions/delete.ts'
import { create } from '@kilonova/kilonova/actions/create.ts'
import { rebootHard } from '@kilonova/kilonova/actions/reboot.ts'
import type { HostVerbs, Reach } from '@kilonova/kilonova/actions/define.ts'
import { killPoints } from '@kilonova/kilonova/task/kill-points.ts'
import { life } from './life.ts'
import { worldUp, type WorldUp } from './world-up.ts'

async function running(t: TestContext): Promise<WorldUp> {
  const up = await worldUp()
  t.after(up.close)
  return up
}

/** The host's agent stops and is silent for so long that it counts as down. */
async function lose({ w, hosts }: Pick<WorldUp, 'w' | 'hosts'>, host: string): Promise<void> {
  await hosts.get(host)?.close()
  await w.db
    .updateTable('hosts')
    .set({ last_seen_at: w.clock.now() - 3_600_000 })
    .where('host', '=', host)
    .execute()
}

test('a delete on a dead host ends at once; the host does what it owes before it serves again', async (t) => {
  const { w, hosts } = await running(t)
  const conductor = await w.conductor(life())
  const nothing = await w.counts()
  const { serverId, taskId } = await w.create()
  assert.equal(await w.ended(taskId), 'succeeded')
  const { host } = await w.server(serverId)
  assert.ok(host)
  await lose({ w, hosts }, host)
  const removal = await w.ask(deleteServer, serverId)
  assert.equal(await w.ended(removal.taskId), 'succeeded')
  const owing = await w.counts()
  assert.deepEqual(
    { guests: owing.guests.length, owed: owing.owed, allocations: owing.allocations, ports: owing.ports },
    { guests: 1, owed: 3, allocations: 0, ports: 0 },
  )

  hosts.set(host, await w.startHost(host))
  assert.deepEqual(await w.counts(), nothing)
  await conductor.close()
})

test('a hard reboot on a dead host owes nothing: when the host is back, the guest lives', async (t) => {
  const { w, hosts } = await running(t)
  const conductor = await w.conductor(life())
  const { serverId, taskId } = await w.create()
  assert.equal(await w.ended(taskId), 'succeeded')
  const { host } = await w.server(serverId)
  assert.ok(host)
  await lose({ w, hosts }, host)
  const reboot = await w.ask(rebootHard, serverId)
  // Its first step already finds nobody, before anything was taken away.
  assert.equal(await w.ended(reboot.taskId), 'undone')
  assert.equal((await w.counts()).owed, 0)
  hosts.set(host, await w.startHost(host))
  assert.deepEqual(await w.standing(serverId), {
    vmState: 'active',
    taskState: null,
    powerState: 'running',
    placed: true,
  })
  assert.deepEqual((await w.counts()).guests, [`${serverId} running`])
  await conductor.close()
})

test('a conductor that lost its lease can change nothing any more: not the journal, the server, the claim or the host', async (t) => {
  const { w } = await running(t)
  const reached = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  const tried = Promise.withResolvers<readonly string[]>()
  const nameOf = async (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'nothing',
      (error: Error & { code?: string }) => error.code ?? error.name,
    )
  const late = async (
    { rows, scheduler, hostAt, server, waitFor }: Reach & Parameters<(typeof create.steps)[number]['run']>[0],
    host: string,
  ) => {
    const verbs: HostVerbs = hostAt(host)
    return [
      await nameOf(rows.place(null)),
      await nameOf(rows.addresses([])),
      await nameOf(scheduler.release({ consumerId: server.id })),
      await nameOf(verbs.destroy()),
      await nameOf(verbs.removeFiles()),
      await nameOf(waitFor({ name: 'power' }, 0)),
    ]
  }
  const steps = create.steps.map((step) => {
    if (step.name !== 'plug') return step
    return {
      ...step,
      run: async (ctx: Parameters<typeof step.run>[0], done: never) => {
        reached.resolve()
        await gate.promise
        tried.resolve(await late(ctx, (done as { claim: { host: string } }).claim.host))
        return step.run(ctx, done)
      },
    }
  })
  // The old one never renews its lease, which is over at once.
  const old = await w.conductor(life(), { ...ACTIONS, create: { ...create, steps } }, undefined, {
    name: 'old',
    leaseMs: 1,
    pollMs: 3_600_000,
  })
  const { serverId, taskId } = await w.create()
  await reached.promise
  const next = await w.conductor(life(), ACTIONS, undefined, { name: 'next' })
  assert.equal(await w.ended(taskId), 'succeeded')
  const [counts, standing, journal] = [
    await w.counts(),
    await w.standing(serverId),
    await w.db.selectFrom('journal').selectAll().execute(),
  ]

  const takenOver = Promise.withResolvers<void>()
  const stop = w.heard.on((phrase) => phrase === 'task was taken over' && takenOver.resolve())
  gate.resolve()
  assert.deepEqual(await tried.promise, [
    'FencedError',
    'FencedError',
    'StaleClaimError',
    'StaleEpochError',
    'StaleEpochError',
    'nothing',
  ])
  await takenOver.promise
  stop()
  assert.deepEqual(
    [await w.counts(), await w.standing(serverId), await w.db.selectFrom('journal').selectAll().execute()],
    [counts, standing, journal],
  )
  await old.close()
  await next.close()
})

test('a conductor that stops lets go of its tasks where they stand, and the next one goes on', async (t) => {
  const { w } = await running(t)
  const reached = Promise.withResolvers<void>()
  const steps = create.steps.map((step) =>
    step.name === 'disk'
      ? {
          ...step,
          run: async (ctx: Parameters<typeof step.run>[0]) => {
            reached.resolve()
            await ctx.waitFor({ name: 'never' }, 3600)
          },
        }
      : step,
  )
  const first = await w.conductor(life(), { ...ACTIONS, create: { ...create, steps } })
  const { taskId } = await w.create()
  await reached.promise
  await first.close()
  assert.equal((await w.counts()).unfinished, 1)
  // Of another name: the lease was given back, not only left behind.
  const second = await w.conductor(life(), ACTIONS, undefined, { name: 'another' })
  assert.equal(await w.ended(taskId), 'succeeded')
  await second.close()
})

test('a run that breaks off gives its lease back, and the task is taken up again', async (t) => {
  const { w } = await running(t)
  let broken = false
  const kills = {
    ...killPoints({}),
    kill: () => {
      if (broken) return
      broken = true
      throw new TypeError('a mistake of ours')
    },
  }
  const conductor = await w.conductor(life(), ACTIONS, kills)
  const { taskId } = await w.create()
  assert.equal(await w.ended(taskId), 'succeeded')
  assert.equal(broken, true)
  await conductor.close()
})
