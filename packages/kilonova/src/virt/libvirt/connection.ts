/**
 * The connection to libvirtd, kept up: when it is lost it is made again, by starting libvirtd if we may. Every use goes
 * through `use`, which repeats work that lost its connection: all we do with libvirt may be repeated.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '@kilonova/base/log.ts'
import { backOffMs } from '@kilonova/base/retry.ts'
import { connect, type Client } from '@kilonova/libvirt/client.ts'
import { ConnectionLostError, isLibvirtError, QueueFullError, type ErrorName } from '@kilonova/libvirt/errors.ts'
import { HostError } from '../host-error.ts'

export interface LibvirtTarget {
  readonly socketPath: string
  /** Starts libvirtd when it does not answer. */
  readonly revive?: () => Promise<unknown>
}

export interface Connection {
  /** Errors: HypervisorUnavailable (retryable) when libvirtd cannot be reached for long, HypervisorRefused with libvirt's own words. */
  use<T>(work: (client: Client) => Promise<T>, limits?: { readonly answerMs?: number }): Promise<T>
  close(): Promise<void>
}

export interface ConnectionOptions {
  readonly target: LibvirtTarget
  readonly log: Log
  /** Done with each new connection before anyone uses it. */
  readonly opened: (client: Client, first: boolean) => Promise<void>
  /** How long `use` waits for a lost libvirtd. Default 20 s. */
  readonly patienceMs?: number
  /** How long it waits for an answer: a guest that hangs in libvirt must not keep its other verbs from running. Default 100 s. */
  readonly answerMs?: number
}

/** libvirtd's own words for "I am going down" or "not now". */
const PASSING: readonly ErrorName[] = ['SYSTEM_ERROR', 'OPERATION_TIMEOUT', 'AGENT_UNRESPONSIVE']

export async function openConnection({
  target,
  log,
  opened,
  patienceMs = 20_000,
  answerMs = 100_000,
}: ConnectionOptions): Promise<Connection> {
  const stop = new AbortController()
  let first = true
  let current: Promise<Client> | undefined
  let reviving: Promise<unknown> | undefined

  async function open(): Promise<Client> {
    const client = await connect(
      { path: target.socketPath },
      { maxInFlight: 32, keepalive: { intervalMs: 5000, count: 6 } },
    )
    try {
      await opened(client, first)
    } catch (error) {
      client.destroy()
      throw error
    }
    first = false
    if (client.closed) throw client.closed
    client.once('close', (reason) => {
      if (stop.signal.aborted) return
      log.warn('lost libvirtd', { error: reason })
      current = undefined
      // Not only when somebody asks: events must come in again.
      void get().catch(() => {})
    })
    return client
  }

  /** One at a time: two would start it twice. */
  function revive(): Promise<unknown> {
    reviving ??= (target.revive?.() ?? Promise.resolve()).finally(() => void (reviving = undefined))
    return reviving
  }

  async function openAgain(): Promise<Client> {
    for (let attempt = 1; ; attempt++) {
      stop.signal.throwIfAborted()
      try {
        if (attempt > 1) await revive()
        return await open()
      } catch (error) {
        log.warn('cannot reach libvirtd', { error, attempt })
        await delay(backOffMs(attempt, 20, 2_000), undefined, { signal: stop.signal })
      }
    }
  }

  function get(): Promise<Client> {
    current ??= openAgain()
    return current
  }

  current = Promise.resolve(await open())
  return {
    use: async (work, limits = {}) => {
      const deadline = Date.now() + patienceMs
      for (let logd: 'untried' | 'revived' = 'untried'; ;) {
        const client = await inTime(get(), Math.max(1, deadline - Date.now()))
        try {
          return await inTime(work(client), limits.answerMs ?? answerMs)
        } catch (error) {
          if (logd === 'untried' && misses(error, 'virtlogd')) {
            logd = 'revived'
            await revive()
            continue
          }
          if (!(error instanceof ConnectionLostError)) throw asHostError(error)
          if (Date.now() > deadline)
            throw new HostError('HypervisorUnavailable', 'libvirtd was lost again and again', {
              cause: error,
              retryable: true,
            })
        }
      }
    },
    close: async () => {
      stop.abort()
      const client = await current?.catch(() => undefined)
      await client?.close()
    },
  }
}

async function inTime<T>(work: Promise<T>, limitMs: number): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const late = (): void =>
    reject(new HostError('HypervisorUnavailable', 'libvirtd does not answer', { retryable: true }))
  const timer = setTimeout(late, limitMs)
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}

/** libvirtd is there, but a daemon that it needs beside it is not. */
const misses = (error: unknown, daemon: string): boolean =>
  isLibvirtError(error, 'SYSTEM_ERROR') && error.message.includes(daemon)

function asHostError(error: unknown): unknown {
  if (error instanceof QueueFullError)
    return new HostError('HypervisorUnavailable', 'libvirtd has too much to do', { cause: error, retryable: true })
  if (!isLibvirtError(error)) return error
  const full = /No space left on device/i.test(error.message)
  return new HostError(full ? 'DiskFull' : 'HypervisorRefused', `libvirt: ${error.message}`, {
    cause: error,
    retryable: isLibvirtError(error, ...PASSING) && !full,
  })
}
