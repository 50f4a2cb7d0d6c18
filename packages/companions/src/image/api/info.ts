/** `/v2/info/…`: which imports, stores and limits there are. */
import type { FastifyInstance } from 'fastify'
import { notFound } from '../../openstack/fault.ts'
import { withCaller } from '../../openstack/token-check.ts'
import type { ImageContext } from '../context.ts'
import { usageOf } from '../quota.ts'
import { importMethods } from './import.ts'

const MIB = 1024 ** 2

export function infoRoutes(app: FastifyInstance, ctx: ImageContext): void {
  app.get(
    '/v2/info/import',
    withCaller(ctx.check, () => ({
      'import-methods': {
        description: 'Import methods available.',
        type: 'array',
        value: importMethods(ctx.webSources),
      },
    })),
  )

  app.get(
    '/v2/info/stores',
    withCaller(ctx.check, () => {
      throw notFound('Multi backend is not supported at this site.')
    }),
  )

  app.get(
    '/v2/info/usage',
    withCaller(ctx.check, async (caller) => {
      const { count, bytes, uploading } = await usageOf(ctx, caller.projectId)
      const staged = [...ctx.staged.values()].reduce(
        (sum, { owner, received }) => (owner === caller.projectId ? sum + received.sizeBytes : sum),
        0,
      )
      return {
        usage: {
          image_size_total: { usage: Math.floor(bytes / MIB), limit: ctx.quota.imageSizeTotalMib },
          image_count_total: { usage: count, limit: ctx.quota.imageCountTotal },
          image_count_uploading: { usage: uploading, limit: -1 },
          image_stage_total: { usage: Math.floor(staged / MIB), limit: -1 },
        },
      }
    }),
  )
}
