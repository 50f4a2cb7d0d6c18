/** `trigger_crash_dump`: an NMI, of which the guest makes what it was told to. Nothing of the server changes, so there is no task. */
import { z } from 'zod'
import { NovaError } from '../../domain/errors.ts'
import type { Server } from '../../domain/server.ts'
import { denied } from '../../task/denied.ts'
import type { Ctx } from '../context.ts'
import { askHost, record } from './at-once.ts'

const NAME = 'trigger_crash_dump'
const WHEN = {
  when: { vmState: ['active', 'paused', 'rescued', 'resized', 'error'], needsHost: true },
  duringTask: 'refuse',
} as const

export const crashDump = {
  policy: 'os_compute_api:servers:trigger_crash_dump',
  value: { '2.17': z.null() },
  /** Errors: InstanceIsLocked, InstanceInvalidState, InstanceNotReady, HostUnreachable, InstanceNotRunning. */
  run: async (ctx: Ctx, server: Server) => {
    const problem = denied(NAME, WHEN, server, ctx.caller.isAdmin)
    if (problem) throw problem
    const isSent = await askHost(ctx, server, (host) => host.injectNmi({ serverId: server.id }))
    const refusal = isSent ? null : new NovaError('InstanceNotRunning', { id: server.id })
    await record(ctx, ctx.db, NAME, server, refusal?.message)
    if (refusal) throw refusal
    return { status: 202 }
  },
}
