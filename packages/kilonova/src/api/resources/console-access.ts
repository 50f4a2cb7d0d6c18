/** Leave to open a server's console, as the URL of a proxy with a token in it. What may be asked for, and when, is as in Nova's compute service. */
import { randomUUID } from 'node:crypto'
import type { KilonovaConfig } from '../../config/index.ts'
import { insertConsoleToken } from '../../db/console-tokens.ts'
import { CONSOLE_TYPES, consoleUrl, type ConsoleKind } from '../../domain/console.ts'
import { NovaError } from '../../domain/errors.ts'
import type { Server } from '../../domain/server.ts'
import { NoAnswerError } from '../../rpc/bus.ts'
import { compute, computeTopic } from '../../rpc/compute.ts'
import { client } from '../../rpc/contract.ts'
import type { Ctx } from '../context.ts'

const TIMEOUT_MS = 15_000
const LEAVING = ['deleting', 'migrating']

export type Protocol = ConsoleKind | 'spice' | 'mks'

/** Where users find the proxy; undefined where there is none. */
const baseUrl = ({ vnc, serial_console: serial }: KilonovaConfig, protocol: Protocol): string | undefined =>
  ({
    vnc: vnc.enabled ? vnc.novncproxy_base_url : undefined,
    serial: serial.enabled ? serial.base_url : undefined,
    spice: undefined,
    mks: undefined,
  })[protocol]

/** Errors: InstanceInvalidState, InstanceNotReady, HostUnreachable; ConsoleTypeUnavailable, ConsoleTypeInvalid. */
export async function consoleAccess(ctx: Ctx, server: Server, protocol: Protocol, type: string): Promise<string> {
  const { id, host } = server
  const refuse = (attr: string, state: string) =>
    new NovaError('InstanceInvalidState', { id, action: `get_${protocol}_console`, attr, state })
  if (LEAVING.includes(server.taskState ?? '')) throw refuse('task_state', server.taskState ?? '')
  if (host === null) throw new NovaError('InstanceNotReady', { id })
  const base = baseUrl(ctx.config, protocol)
  if (base === undefined || protocol === 'spice' || protocol === 'mks')
    throw new NovaError('ConsoleTypeUnavailable', { type })
  if (type !== CONSOLE_TYPES[protocol]) throw new NovaError('ConsoleTypeInvalid', { type })
  const here = await consolesOn(ctx, server, host)
  if (here.length === 0) throw refuse('vm_state', server.vmState)
  if (!here.includes(protocol)) throw new NovaError('ConsoleTypeUnavailable', { type })

  const token = randomUUID()
  const now = ctx.clock.now()
  const expiresAt = now + ctx.config.consoleauth.token_ttl * 1000
  await insertConsoleToken(ctx.db, token, { serverId: id, host, kind: protocol, accessUrlBase: base, expiresAt }, now)
  return consoleUrl(protocol, base, token)
}

function consolesOn(ctx: Ctx, { id }: Server, host: string): Promise<readonly ConsoleKind[]> {
  return hostOf(ctx, host)
    .consoles({ serverId: id })
    .catch((error: unknown) => silent(error, host))
}

/** The verbs of a host, for who asks. */
export function hostOf({ bus, caller: { requestId, userId, projectId } }: Ctx, host: string) {
  return client(compute, bus, computeTopic(host), { requestId, userId, projectId }, TIMEOUT_MS)
}

export function silent(error: unknown, host: string): never {
  throw error instanceof NoAnswerError ? new NovaError('HostUnreachable', { host }, { cause: error }) : error
}
