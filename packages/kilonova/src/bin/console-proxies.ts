/** The console proxies as the configuration wants them: one for screens, one for serial lines, each only where it is enabled. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { CertificateFiles } from '@kilonova/base/http/tls.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { KilonovaConfig } from '../config/index.ts'
import { startConsoleProxy } from '../console/proxy.ts'
import type { Db } from '../db/database.ts'
import type { ConsoleKind } from '../domain/console.ts'
import type { Bus } from '../rpc/bus.ts'
import { consoleTlsLimits } from './from-config.ts'

export interface ConsoleProxies {
  readonly config: KilonovaConfig
  readonly db: Db
  readonly bus: Bus
  readonly tls?: CertificateFiles
  readonly ready: () => string | undefined
  readonly clock: Clock
  readonly log: Log
}

/** Errors: PortTakenError; those that had started are stopped. */
export async function startConsoleProxies({ config, ...reach }: ConsoleProxies): Promise<{ close(): Promise<void> }> {
  const { vnc, serial_console: serial, console: section, consoleauth } = config
  const wanted = [
    { kind: 'vnc', on: vnc.enabled, host: vnc.novncproxy_host, port: vnc.novncproxy_port },
    { kind: 'serial', on: serial.enabled, host: serial.serialproxy_host, port: serial.serialproxy_port },
  ] as const satisfies readonly { kind: ConsoleKind; on: boolean; host: string; port: number }[]
  const started = await Promise.allSettled(
    wanted
      .filter(({ on }) => on)
      .map(({ kind, host, port }) =>
        startConsoleProxy({
          ...reach,
          kind,
          host,
          port,
          tlsLimits: consoleTlsLimits(config),
          allowedOrigins: section.allowed_origins,
          endWithToken: consoleauth.enforce_session_timeout,
        }),
      ),
  )
  const proxies = started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  const close = async (): Promise<void> => void (await Promise.all(proxies.map((proxy) => proxy.close())))
  const failed = started.find((each) => each.status === 'rejected')
  if (!failed) return { close }
  await close()
  throw failed.reason
}
