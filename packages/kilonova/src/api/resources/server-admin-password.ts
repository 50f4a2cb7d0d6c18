/**
 * `changePassword`: set by the agent in the guest while the caller waits; there is no task, which would write the password down. It is kept
 * only as `os-server-password` shows it: encrypted for the server's key, where that is an RSA key.
 */
import { z } from 'zod'
import { replaceGuestPassword } from '../../db/guest-passwords.ts'
import { NovaError } from '../../domain/errors.ts'
import type { PasswordOutcome } from '../../domain/diagnostics.ts'
import { adminUserOf, hasAgent } from '../../domain/image-properties.ts'
import type { Server } from '../../domain/server.ts'
import { denied } from '../../task/denied.ts'
import type { Ctx } from '../context.ts'
import { ApiFault } from '../faults.ts'
import { encryptedFor } from '../ssh-key.ts'
import { askHost, record } from './at-once.ts'

const NAME = 'changePassword'
const WHEN = { when: { vmState: ['active'], needsHost: true }, duringTask: 'refuse' } as const
const value = z.strictObject({ adminPass: z.string() })

const REFUSALS: Readonly<Record<Exclude<PasswordOutcome, 'set'>, (id: string) => Error>> = {
  notRunning: (id) => new NovaError('PasswordNotSet', { id, reason: `instance ${id} is not running` }),
  noAgent: () => new ApiFault(501, 'Unable to set password on instance'),
  refused: (id) => new NovaError('PasswordNotSet', { id, reason: 'error setting admin password' }),
}

export const adminPassword = {
  policy: 'os_compute_api:os-admin-password',
  value,
  /** Errors: InstanceIsLocked, InstanceInvalidState, AgentNotEnabled, PasswordNotSet, HostUnreachable; ApiFault 501 when no agent listens. */
  run: async (ctx: Ctx, server: Server, asked: unknown) => {
    const problem = denied(NAME, WHEN, server, ctx.caller.isAdmin)
    if (problem) throw problem
    const properties = server.image?.properties ?? {}
    if (!hasAgent(properties)) throw new NovaError('AgentNotEnabled', {})
    const { adminPass: password } = value.parse(asked)
    const user = adminUserOf(properties)
    const outcome = await askHost(ctx, server, (host) => host.setPassword({ serverId: server.id, user, password }))
    const kept = outcome === 'set' && server.publicKey !== null ? encryptedFor(server.publicKey, password) : undefined
    if (kept !== undefined) await replaceGuestPassword(ctx.db, server.id, kept)
    const refusal = outcome === 'set' ? undefined : REFUSALS[outcome](server.id)
    await record(ctx, ctx.db, NAME, server, refusal?.message)
    if (refusal) throw refusal
    return { status: 202 }
  },
}
