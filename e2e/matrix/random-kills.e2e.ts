// Kills at any moment: the process dies somewhere in a create or a delete on real QEMU, not only between steps. `npm run e2e -- random-kills`.
import { test } from 'node:test'
import { killBed } from '../kills.ts'

const ROUNDS = 30
/** A create takes about that long, from its answer until the guest runs; a delete, too. */
const SPAN_MS = 1_000

test('whenever the process is killed, the server settles within ten seconds and nothing is left', async (t) => {
  const bed = await killBed()
  t.after(() => bed.remove())
  for (let round = 0; round < ROUNDS; round++) {
    const action = round % 2 === 0 ? 'create' : 'delete'
    // Spread over the span, no two alike: what fails names its moment, and can be tried again.
    const delayMs = Math.round(((round + Math.random()) / ROUNDS) * SPAN_MS)
    await t.test(`${action}, killed after ${delayMs} ms`, async (one) => {
      const { ending, milliseconds } = await bed.surviveAfter(action, delayMs)
      one.diagnostic(`${ending} ${(milliseconds / 1000).toFixed(1)} s after the restart`)
    })
  }
})
