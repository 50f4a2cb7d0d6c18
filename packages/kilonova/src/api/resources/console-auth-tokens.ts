/** `GET /os-console-auth-tokens/{token}`: where a console is, for proxies that are none of ours. Each answer is good for one connection, soon. */
import { findConsoleLeave } from '../../db/console-tokens.ts'
import type { ConsoleLeave } from '../../domain/console.ts'
import { NovaError } from '../../domain/errors.ts'
import { minorOf } from '../../domain/microversion.ts'
import type { ConsolePlace } from '../../rpc/compute.ts'
import { RemoteError } from '../../rpc/bus.ts'
import type { Ctx } from '../context.ts'
import { ApiFault } from '../faults.ts'
import { get, since, view } from '../resource.ts'
import { hostOf, silent } from './console-access.ts'

type Found = ConsolePlace & { readonly serverId: string }

async function placeOf(ctx: Ctx, { serverId, host, kind }: ConsoleLeave): Promise<Found> {
  const place = await hostOf(ctx, host)
    .openConsole({ serverId, kind })
    .catch((error: unknown) => {
      // The guest stopped: its console is as gone as its token will be.
      if (error instanceof RemoteError && error.code === 'ConsoleUnavailable')
        throw new NovaError('ConsoleTokenNotFound', {}, { cause: error })
      return silent(error, host)
    })
  return { ...place, serverId }
}

/** A host with a certificate speaks TLS alone, which only the newest version can tell. */
const shown = view<Found>({
  instance_uuid: ({ serverId }) => serverId,
  host: ({ host }) => host,
  port: ({ port, fingerprint }, { minor }) => (minor < minorOf('2.99') || fingerprint === null ? port : null),
  tls_port: since('2.99', ({ port, fingerprint }) => (fingerprint === null ? null : port)),
  internal_access_path: ({ path }) => path,
})

export const consoleAuthTokens = [
  get('/os-console-auth-tokens/:token', {
    policy: 'os_compute_api:os-console-auth-tokens',
    run: async (ctx) => {
      const leave = await findConsoleLeave(ctx.db, ctx.params['token'] ?? '', ctx.clock.now())
      if (!leave) throw new NovaError('ConsoleTokenNotFound', {})
      return () => placeOf(ctx, leave)
    },
    view: {
      // It told of RDP consoles alone, and those are gone.
      '2.1': () => {
        throw new ApiFault(401, 'The requested console type details are not accessible')
      },
      '2.31': async (place, at) => ({ console: shown(await place(), at) }),
    },
  }),
]
