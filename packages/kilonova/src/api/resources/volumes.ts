/** Volumes and their snapshots, proxied until 2.35. This cloud has no volume service: there are none, and none can be made. */
import { z } from 'zod'
import { badRequest, notFound } from '../faults.ts'
import { digits, metadata, once } from '../fields.ts'
import { get, post, remove } from '../resource.ts'
import type { Ctx } from '../context.ts'

const until = '2.35' as const
const lacks = 'a volume service'
const none = () => badRequest('There is no volume service: volumes and snapshots are not available.')
const lists = z.object({ limit: once(digits), offset: once(digits) })
const idOf = ({ params }: Ctx): string => params['id'] ?? ''
const noVolume = async (ctx: Ctx) => {
  throw notFound(`Volume ${idOf(ctx)} could not be found.`)
}
const noSnapshot = async (ctx: Ctx) => {
  throw notFound(`Snapshot ${idOf(ctx)} could not be found.`)
}

const text = z.string().max(255).nullable()
const newVolume = z.strictObject({
  volume: z.strictObject({
    volume_type: z.string().nullable().optional(),
    metadata: metadata.nullable().optional(),
    snapshot_id: z.string().optional(),
    size: z.union([z.int().min(1), z.string().regex(/^[1-9][0-9]*$/)]).optional(),
    availability_zone: z.string().nullable().optional(),
    display_name: text.optional(),
    display_description: text.optional(),
  }),
})
const newSnapshot = z.strictObject({
  snapshot: z.strictObject({
    volume_id: z.string(),
    force: z.union([z.boolean(), z.string()]).optional(),
    display_name: text.optional(),
    display_description: text.optional(),
  }),
})

const empty = (key: string) => ({
  until,
  lacks,
  query: lists,
  run: async () => undefined,
  view: () => ({ [key]: [] }),
})
const capped = { until, lacks } as const

export const volumes = [
  get('/os-volumes', { ...empty('volumes'), policy: 'os_compute_api:os-volumes:list' }),
  get('/os-volumes/detail', { ...empty('volumes'), policy: 'os_compute_api:os-volumes:detail' }),
  get('/os-volumes/:id', { ...capped, policy: 'os_compute_api:os-volumes:show', run: noVolume }),
  remove('/os-volumes/:id', { ...capped, policy: 'os_compute_api:os-volumes:delete', run: noVolume }),
  post('/os-volumes', {
    ...capped,
    policy: 'os_compute_api:os-volumes:create',
    body: newVolume,
    run: async (_ctx, { body: { volume } }) => {
      if (volume.snapshot_id !== undefined) throw notFound(`Snapshot ${volume.snapshot_id} could not be found.`)
      throw none()
    },
  }),
  get('/os-snapshots', { ...empty('snapshots'), policy: 'os_compute_api:os-volumes:snapshots:list' }),
  get('/os-snapshots/detail', { ...empty('snapshots'), policy: 'os_compute_api:os-volumes:snapshots:detail' }),
  get('/os-snapshots/:id', { ...capped, policy: 'os_compute_api:os-volumes:snapshots:show', run: noSnapshot }),
  remove('/os-snapshots/:id', { ...capped, policy: 'os_compute_api:os-volumes:snapshots:delete', run: noSnapshot }),
  post('/os-snapshots', {
    ...capped,
    policy: 'os_compute_api:os-volumes:snapshots:create',
    body: newSnapshot,
    run: async () => {
      throw none()
    },
  }),
]
