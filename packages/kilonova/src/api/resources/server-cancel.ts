/** `kilonova:cancel`, an addition of ours: stops what is being done to a server by undoing it. */
import { z } from 'zod'
import { cancelRunning } from '../../actions/cancel.ts'
import type { Server } from '../../domain/server.ts'
import type { Ctx } from '../context.ts'

export const serverCancel = {
  policy: 'kilonova:servers:cancel',
  value: z.null(),
  run: async (ctx: Ctx, { id }: Server) => {
    await cancelRunning(ctx, ctx.caller, id)
    return { status: 202 }
  },
}
