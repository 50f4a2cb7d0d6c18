/** Snapshots of volumes that are files, which the volume service asks for. No server has a volume here: each is answered as unknown. */
import { z } from 'zod'
import { badRequest } from '../faults.ts'
import { once, query } from '../fields.ts'
import { post, remove } from '../resource.ts'

const lacks = 'a volume service'
const text = z.string().min(1)
const create = z.strictObject({
  snapshot: z.strictObject({
    volume_id: text,
    create_info: z.strictObject({
      snapshot_id: text,
      type: z.enum(['qcow2']),
      new_file: text,
      id: text.optional(),
    }),
  }),
})
const unknown = (id: string) => badRequest(`No volume Block Device Mapping with id ${id}.`)

function volumeIn(info: string | undefined): string {
  try {
    const { volume_id: id } = JSON.parse(info ?? '') as { volume_id?: unknown }
    if (typeof id === 'string') return id
  } catch {
    // Said below.
  }
  throw badRequest('delete_info is not JSON with a volume_id.')
}

export const assistedVolumeSnapshots = [
  post('/os-assisted-volume-snapshots', {
    policy: 'os_compute_api:os-assisted-volume-snapshots:create',
    lacks,
    body: create,
    run: async (_ctx, { body }) => {
      throw unknown(body.snapshot.volume_id)
    },
  }),
  remove('/os-assisted-volume-snapshots/:id', {
    policy: 'os_compute_api:os-assisted-volume-snapshots:delete',
    lacks,
    query: query({ delete_info: once(z.string()) }),
    run: async (_ctx, { query: { delete_info: info } }) => {
      throw unknown(volumeIn(info))
    },
  }),
]
