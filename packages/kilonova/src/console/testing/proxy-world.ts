/** For tests: a database with servers, fake hosts behind their relays, and a console proxy in front of them. */
import type { TestContext } from 'node:test'
import { newId, systemClock, type Clock } from '@kilonova/base/clock.ts'
import type { CertificateFiles } from '@kilonova/base/http/tls.ts'
import { silentLog } from '@kilonova/base/log.ts'
import { WebSocket, type ClientOptions } from 'ws'
import { consoleRelay } from '../../compute/console-relay.ts'
import { insertConsoleToken } from '../../db/console-tokens.ts'
import type { Db } from '../../db/database.ts'
import { insertServer } from '../../db/servers.ts'
import { testDatabase } from '../../db/testing/test-database.ts'
import type { ConsoleKind, ConsoleLeave } from '../../domain/console.ts'
import { demoServer } from '../../domain/server-fixture.ts'
import type { Bus } from '../../rpc/bus.ts'
import { compute, computeTopic } from '../../rpc/compute.ts'
import { memoryBus } from '../../rpc/memory/bus.ts'
import { guestOf } from '../../virt/contract-values.ts'
import { fakeDriver, type FakeDriver } from '../../virt/fake/driver.ts'
import { startConsoleProxy, type ConsoleProxy, type ConsoleProxyOptions } from '../proxy.ts'

export interface ProxyWorld {
  readonly db: Db
  readonly bus: Bus
  readonly proxy: ConsoleProxy
  readonly drivers: Readonly<Record<'h1' | 'h2', FakeDriver>>
  /** A running server on a host. */
  server(host?: 'h1' | 'h2'): Promise<string>
  token(serverId: string, more?: Partial<ConsoleLeave>): Promise<string>
  /** `path` begins with a slash. */
  open(path: string, options?: ClientOptions & { readonly protocols?: readonly string[] }): WebSocket
  pass(ms: number): void
}

export interface ProxyWorldOptions extends Partial<
  Pick<ConsoleProxyOptions, 'allowedOrigins' | 'endWithToken' | 'lookOverMs' | 'tlsLimits'>
> {
  readonly kind?: ConsoleKind
  readonly tls?: CertificateFiles
  /** Instead of what the fake hosts' guests do. */
  readonly openConsole?: FakeDriver['openConsole']
}

export async function proxyWorld(t: TestContext, options: ProxyWorldOptions = {}): Promise<ProxyWorld> {
  const { kind = 'vnc', tls } = options
  const db = await testDatabase(t)
  const bus = memoryBus()
  const real = systemClock()
  let offset = 0
  const clock: Clock = { now: () => real.now() + offset }
  const drivers = { h1: fakeDriver({ host: 'h1', clock }), h2: fakeDriver({ host: 'h2', clock }) }
  for (const [host, driver] of Object.entries(drivers)) {
    const relay = consoleRelay({
      host: '127.0.0.1',
      driver: options.openConsole ? { ...driver, openConsole: options.openConsole } : driver,
      clock,
      log: silentLog,
      ...(tls ? { tls } : {}),
    })
    const stop = bus.serve(computeTopic(host), async (method, input) => {
      if (method !== 'openConsole') throw new Error(`a proxy does not ask for ${method}`)
      const { serverId, kind: asked } = compute.openConsole.input.parse(input)
      return { ...(await relay.open(serverId, asked)) }
    })
    t.after(async () => {
      await stop()
      await relay.close()
      await driver.close()
    })
  }
  const proxy = await startConsoleProxy({
    kind,
    host: '127.0.0.1',
    port: 0,
    db,
    bus,
    allowedOrigins: options.allowedOrigins ?? [],
    endWithToken: options.endWithToken ?? false,
    lookOverMs: options.lookOverMs ?? 60_000,
    ready: () => undefined,
    clock,
    log: silentLog,
    ...(tls ? { tls } : {}),
    ...(options.tlsLimits ? { tlsLimits: options.tlsLimits } : {}),
  })
  t.after(() => proxy.close())
  return {
    db,
    bus,
    proxy,
    drivers,
    server: async (host = 'h1') => {
      const id = newId()
      await insertServer(db, demoServer({ id }), newId())
      await db.updateTable('servers').set({ host }).where('id', '=', id).execute()
      await drivers[host].start(guestOf(id, { imageId: null, name: `on-${host}` }))
      return id
    },
    token: async (serverId, more = {}) => {
      const token = newId()
      const now = clock.now()
      const accessUrlBase = proxy.url.replace(/^http/, kind === 'serial' ? 'ws' : 'http')
      const leave = { serverId, host: 'h1', kind, accessUrlBase, expiresAt: now + 600_000, ...more }
      await insertConsoleToken(db, token, leave, now)
      return token
    },
    open: (path, { protocols = ['binary'], ...more } = {}) => {
      const socket = new WebSocket(`${proxy.url.replace(/^http/, 'ws')}${path}`, [...protocols], {
        rejectUnauthorized: false,
        ...more,
      })
      t.after(() => socket.on('error', () => {}).terminate())
      return socket
    },
    pass: (ms) => void (offset += ms),
  }
}
