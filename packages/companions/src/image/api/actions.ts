/** `/v2/images/{id}/actions/…`: its owner or an administrator takes an image out of use and gives it back. */
import type { FastifyInstance } from 'fastify'
import { conflict } from '../../openstack/fault.ts'
import { withCaller } from '../../openstack/token-check.ts'
import { changeableImage, type ImageContext } from '../context.ts'

export function actionRoutes(app: FastifyInstance, ctx: ImageContext): void {
  for (const [action, to] of [
    ['deactivate', 'deactivated'],
    ['reactivate', 'active'],
  ] as const)
    app.post(
      `/v2/images/:id/actions/${action}`,
      withCaller(ctx.check, async (caller, request, reply) => {
        const { id } = request.params as { id: string }
        const image = await changeableImage(ctx, caller, id)
        const { numUpdatedRows } = await ctx.database.kysely
          .updateTable('images')
          .set({ status: to, updated_at: ctx.clock.now() })
          .where('id', '=', id)
          .where('status', 'in', ['active', 'deactivated'])
          .executeTakeFirst()
        if (numUpdatedRows === 0n) throw conflict(`Not allowed to ${action} image in status '${image.status}'`)
        return reply.code(204).send()
      }),
    )
}
