/** Seeded weather for the bus that can be turned on and off, so that a world is built in the calm. KILONOVA_TEST_SEED gives another. */
import type { Weather } from '@kilonova/kilonova/rpc/memory/bus.ts'

const STORM = { drop: 0.04, duplicate: 0.15, delayMs: 3 }
const CALM = { drop: 0, duplicate: 0, delayMs: 0 }

export const seed = Number(process.env['KILONOVA_TEST_SEED'] ?? 20_261_121)

/** mulberry32: small, even, and the same everywhere. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

export function switchableWeather(seed: number): { readonly weather: Weather; set(kind: 'calm' | 'storm'): void } {
  const random = seeded(seed)
  let now = CALM
  const weather: Weather = {
    random,
    get drop() {
      return now.drop
    },
    get duplicate() {
      return now.duplicate
    },
    get delayMs() {
      return now.delayMs
    },
  }
  return { weather, set: (kind) => void (now = kind === 'storm' ? STORM : CALM) }
}
