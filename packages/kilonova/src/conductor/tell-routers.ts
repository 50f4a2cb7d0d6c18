/**
 * Tells each host the routers it must have, when they are others than it was told last. All are read anew each time: they are few, and what
 * one of them looks like on a host depends on many things.
 */
import { isDeepStrictEqual } from 'node:util'
import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '@kilonova/base/log.ts'
import { backOffMs } from '@kilonova/base/retry.ts'
import type { RouterFacts } from '../virt/driver.ts'

export interface TellRoutersReach {
  readonly read: () => Promise<ReadonlyMap<string, readonly RouterFacts[]>>
  /** All there are. */
  readonly hosts: () => Promise<readonly string[]>
  readonly tell: (host: string, routers: readonly RouterFacts[]) => Promise<void>
  readonly log: Log
  readonly signal: AbortSignal
}

export interface TellRouters {
  /** Routers changed. */
  wake(): void
  /** Ports of guests came or went: that seldom concerns routers, so many are looked at together. */
  wakeLater(): void
  /** The host may have forgotten; without one, all may. */
  forget(host?: string): void
}

/** Between two reads there is at least that many times what the last one took, up to the limit: the rest is for others. */
const REST = { times: 4, mostMs: 400 }
const LATER_MS = 300
const FIRST_BACK_OFF_MS = 500
const MOST_BACK_OFF_MS = 30_000

export function tellRouters({ read, hosts, tell, log, signal }: TellRoutersReach): TellRouters {
  const told = new Map<string, readonly RouterFacts[]>()
  const wanted = new Map<string, readonly RouterFacts[]>()
  const telling = new Set<string>()
  let isDue = false
  let isReading = false
  const wait = (ms: number) => delay(ms, undefined, { signal, ref: false }).catch(() => undefined)

  async function readAll(): Promise<void> {
    for (let failures = 0; isDue && !signal.aborted;) {
      isDue = false
      const began = performance.now()
      try {
        const byHost = await read()
        wanted.clear()
        for (const host of await hosts()) wanted.set(host, byHost.get(host) ?? [])
        failures = 0
        for (const host of wanted.keys()) void tellOne(host)
        await wait(Math.min(REST.mostMs, REST.times * (performance.now() - began)))
      } catch (error) {
        isDue = true
        log.warn('routers not read', { error })
        await wait(backOffMs(++failures, FIRST_BACK_OFF_MS, MOST_BACK_OFF_MS))
      }
    }
  }

  /** One message at a time; the newest counts. */
  async function tellOne(host: string): Promise<void> {
    if (telling.has(host)) return
    telling.add(host)
    for (let failures = 0; !signal.aborted;) {
      const routers = wanted.get(host)
      if (routers === undefined || isDeepStrictEqual(routers, told.get(host))) break
      try {
        told.set(host, routers)
        await tell(host, routers)
        failures = 0
      } catch (error) {
        told.delete(host)
        log.warn('host has not made its routers', { host, error })
        await wait(backOffMs(++failures, FIRST_BACK_OFF_MS, MOST_BACK_OFF_MS))
      }
    }
    telling.delete(host)
  }

  const wake = (): void => {
    isDue = true
    if (isReading) return
    isReading = true
    void readAll().finally(() => {
      isReading = false
      if (isDue && !signal.aborted) wake()
    })
  }
  let isWaiting = false
  return {
    wake,
    wakeLater: () => {
      if (isWaiting) return
      isWaiting = true
      void wait(LATER_MS).then(() => {
        isWaiting = false
        wake()
      })
    },
    forget: (host) => {
      if (host === undefined) told.clear()
      else told.delete(host)
      wake()
    },
  }
}
