/** Lock and unlock a server: while it is locked only administrators may do things to it, and let go of what they themselves locked. */
import { z } from 'zod'
import { atomically } from '../../db/database.ts'
import { setLock } from '../../db/server-columns.ts'
import { findServer } from '../../db/servers.ts'
import { NovaError } from '../../domain/errors.ts'
import type { Server } from '../../domain/server.ts'
import type { Ctx } from '../context.ts'
import { record } from './at-once.ts'

const reason = z.strictObject({ locked_reason: z.string().min(1).max(255).optional() }).nullable()
const DONE = { status: 202 }
/** Whose lock the caller's is. */
const sideOf = ({ caller }: Ctx, { projectId }: Server) => (caller.projectId === projectId ? 'owner' : 'admin')

/** The row as it is inside the transaction that changes it. */
const inTransaction = (ctx: Ctx, { id }: Server, work: (tx: Tx, server: Server) => Promise<void>): Promise<void> =>
  atomically(ctx.db, async (tx) => {
    const server = await findServer(tx, id)
    if (!server) throw new NovaError('InstanceNotFound', { id })
    await work(tx, server)
  })
type Tx = Parameters<Parameters<typeof atomically>[1]>[0]

export const lock = {
  policy: 'os_compute_api:os-lock-server:lock',
  value: { '2.1': z.unknown().transform(() => null), '2.73': reason },
  run: async (ctx: Ctx, target: Server, value: unknown) => {
    const asked = reason.parse(value)
    await inTransaction(ctx, target, async (tx, server) => {
      const by = sideOf(ctx, server)
      if (server.locked && by === 'owner') return
      await setLock(tx, server.id, { by, reason: asked?.locked_reason ?? null }, ctx.clock.now())
      await record(ctx, tx, 'lock', server)
    })
    return DONE
  },
}

export const unlock = {
  policy: 'os_compute_api:os-lock-server:unlock',
  value: z.unknown(),
  /** Errors: Forbidden for a lock of the other side, without leave to override it. */
  run: async (ctx: Ctx, target: Server) => {
    await inTransaction(ctx, target, async (tx, server) => {
      if (server.lockedBy !== null && server.lockedBy !== sideOf(ctx, server))
        ctx.check('os_compute_api:os-lock-server:unlock:unlock_override', { projectId: server.projectId })
      await setLock(tx, server.id, null, ctx.clock.now())
      await record(ctx, tx, 'unlock', server)
    })
    return DONE
  },
}
