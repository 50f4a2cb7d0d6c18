// Every kill: before, after and in the undo of every step of create and delete, on real QEMU. `npm run e2e -- kills-matrix`.
import { test } from 'node:test'
import { ALL_POINTS, killBed, nameOf, table, type Survived } from '../kills.ts'

test('wherever the process is killed, the server settles within ten seconds and nothing is left', async (t) => {
  const bed = await killBed()
  t.after(() => bed.remove())
  const survived: Survived[] = []
  for (const point of ALL_POINTS) await t.test(nameOf(point), async () => void survived.push(await bed.survive(point)))
  process.stdout.write(`\n${table(survived)}\n`)
})
