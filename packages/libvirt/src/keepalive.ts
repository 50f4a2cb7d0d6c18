/** Keepalive: when nothing was heard for an interval, ping; after `count` unanswered pings in a row the peer is dead. */

export interface KeepaliveOptions {
  /** 0 switches pings off. */
  readonly intervalMs: number
  /** Unanswered pings that are still forgiven; at least 1. */
  readonly count: number
}

export interface Keepalive {
  /** Something arrived: the peer lives. */
  heard(): void
  stop(): void
}

/** `mayListen` is false while we ourselves keep from reading: pings still go out, so that the peer does not give us up, but none counts as missed. */
export function startKeepalive(
  { intervalMs, count }: KeepaliveOptions,
  { ping, dead, mayListen }: { ping(): void; dead(reason: string): void; mayListen(): boolean },
): Keepalive {
  if (intervalMs <= 0) return { heard() {}, stop() {} }
  let quiet = false
  let missed = 0
  const timer = setInterval(() => {
    if (!mayListen()) {
      missed = 0
      ping()
      return
    }
    if (!quiet) {
      quiet = true
      missed = 0
      return
    }
    if (missed >= count) {
      dead(`no answer to ${missed} keepalive pings, ${intervalMs} ms apart`)
      return
    }
    missed++
    ping()
  }, intervalMs)
  timer.unref()
  return {
    heard() {
      quiet = false
      missed = 0
    },
    stop: () => clearInterval(timer),
  }
}
