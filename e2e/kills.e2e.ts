// Sampled kills of the whole process on real QEMU; matrix/kills-matrix.e2e.ts has every step of create and delete, matrix/action-kills.e2e.ts what users do with a server.
import { test } from 'node:test'
import { actionBed } from './action-bed.ts'
import { killBed, nameOf, table, type KillPoint, type Survived } from './kills.ts'

const SAMPLES: readonly KillPoint[] = [
  { action: 'create', step: 'disk', when: 'after' },
  { action: 'delete', step: 'unplug', when: 'before' },
]

test('a process killed in the middle of a task goes on with it when it is back', async (t) => {
  const bed = await killBed()
  t.after(() => bed.remove())
  const survived: Survived[] = []
  for (const point of SAMPLES) await t.test(nameOf(point), async () => void survived.push(await bed.survive(point)))
  t.diagnostic(table(survived))
})

const DEATHS = ['createImage/upload/after', 'rescue/record/undo', 'suspend/suspend/after'] as const

test('killed amid what users do with a server, too', async (t) => {
  const bed = await actionBed()
  t.after(() => bed.remove())
  for (const point of DEATHS)
    await t.test(point, async (one) => {
      const { ending, milliseconds } = await bed.die(point)
      one.diagnostic(`${ending} after ${(milliseconds / 1000).toFixed(1)} s`)
    })
})
