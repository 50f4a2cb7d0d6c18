// Two sampled kills of the whole process on real QEMU; every step of create and delete is in matrix/kills-matrix.e2e.ts.
import { test } from 'node:test'
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
