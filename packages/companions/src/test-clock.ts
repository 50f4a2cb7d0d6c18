/** For tests: the machine's clock, which can be moved forward. */
import type { Clock } from '@kilonova/base/clock.ts'

export interface TestClock extends Clock {
  advance(ms: number): void
}

export function testClock(): TestClock {
  let offset = 0
  return { now: () => Date.now() + offset, advance: (ms) => void (offset += ms) }
}
