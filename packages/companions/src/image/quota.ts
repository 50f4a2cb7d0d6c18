/** What a project's images may take: a count and a sum, both taken from the rows themselves. Upstream: Glance's unified limits, by the same names. */
import { sql } from 'kysely'
import { Fault } from '../openstack/fault.ts'
import type { ImageContext } from './context.ts'

/** -1 is unlimited. */
export interface ImageQuota {
  readonly imageCountTotal: number
  readonly imageSizeTotalMib: number
}

export const NO_QUOTA: ImageQuota = { imageCountTotal: -1, imageSizeTotalMib: -1 }

const MIB = 1024 ** 2

export interface Usage {
  readonly count: number
  readonly bytes: number
  /** Of them, those that are being given their bytes. */
  readonly uploading: number
}

export async function usageOf({ database: { kysely } }: ImageContext, projectId: string): Promise<Usage> {
  const row = await kysely
    .selectFrom('images')
    .select([
      sql<number>`count(*)`.as('count'),
      sql<number>`coalesce(sum(size), 0)`.as('bytes'),
      sql<number>`count(upload_id)`.as('uploading'),
    ])
    .where('owner', '=', projectId)
    .executeTakeFirstOrThrow()
  return { count: Number(row.count), bytes: Number(row.bytes), uploading: Number(row.uploading) }
}

const over = (name: string, limit: number): Fault =>
  new Fault(413, `The request exceeds the project's limit ${name}, which is ${limit}.`)

/** Only inside `locked` of the project. Errors: 413. */
export async function mustHavePlace(ctx: ImageContext, projectId: string): Promise<void> {
  const limit = ctx.quota.imageCountTotal
  if (limit >= 0 && (await usageOf(ctx, projectId)).count >= limit) throw over('image_count_total', limit)
}

/** How many bytes a new upload may have. Errors: 413 when there is no room for any. */
export async function bytesLeft(ctx: ImageContext, projectId: string): Promise<number> {
  const limit = ctx.quota.imageSizeTotalMib
  if (limit < 0) return Infinity
  const left = limit * MIB - (await usageOf(ctx, projectId)).bytes
  if (left <= 0) throw over('image_size_total', limit)
  return left
}

/** Only inside `locked` of the project: others may have come first. Errors: 413. */
export async function mustFit(ctx: ImageContext, projectId: string, bytes: number): Promise<void> {
  const limit = ctx.quota.imageSizeTotalMib
  if (limit >= 0 && (await usageOf(ctx, projectId)).bytes + bytes > limit * MIB) throw over('image_size_total', limit)
}
