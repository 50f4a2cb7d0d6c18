/** Two streams as one wire: what one says the other hears, no faster than it listens, and when either ends both are gone. */
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** Returns when it is over, whatever ended it; what was said before has been passed on. */
export async function joinStreams(one: Duplex, other: Duplex): Promise<void> {
  await Promise.race([pipeline(one, other), pipeline(other, one)].map((way) => way.catch(() => {})))
  one.destroy()
  other.destroy()
}
