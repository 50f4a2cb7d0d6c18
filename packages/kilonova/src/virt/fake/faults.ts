/** Bad weather for the fake hypervisor: what shall go wrong with the next calls of a verb. Each fault strikes once unless told. */
import type { Driver } from '../driver.ts'

export type Verb = Exclude<keyof Driver, 'kind' | 'onPowerChange' | 'close'>

export interface Fault {
  /** Before the verb had its effect, or after it. */
  readonly at: 'before' | 'after'
  /** `hang`: the verb does not return until `release()`. */
  readonly what: 'error' | 'hang'
  readonly error?: Error
  readonly times?: number
  /** Without it: any server. */
  readonly serverId?: string
}

export interface Faults {
  inject(verb: Verb, fault: Fault): void
  /** The fault that strikes this call, if any; used up by asking. */
  take(verb: Verb, serverId?: string): Fault | undefined
  strike(verb: Verb, fault: Fault): Promise<void>
  /** Lets everything that hangs go on. */
  release(): void
  clear(): void
}

export function faults(): Faults {
  const waiting = new Map<Verb, { fault: Fault; left: number }[]>()
  let gate = Promise.withResolvers<void>()

  return {
    inject: (verb, fault) => void waiting.set(verb, [...(waiting.get(verb) ?? []), { fault, left: fault.times ?? 1 }]),
    take: (verb, serverId) => {
      const found = waiting
        .get(verb)
        ?.find(({ fault, left }) => left > 0 && (fault.serverId === undefined || fault.serverId === serverId))
      if (!found) return undefined
      found.left--
      return found.fault
    },
    strike: async (verb, { at, what, error }) => {
      if (what === 'error') throw error ?? new Error(`${verb} failed ${at} it had its effect, as the test asked`)
      await gate.promise
    },
    release: () => {
      gate.resolve()
      gate = Promise.withResolvers<void>()
    },
    clear: () => waiting.clear(),
  }
}
