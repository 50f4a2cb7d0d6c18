/**
 * Volumes of servers. This cloud has no volume service, so there is no volume that anybody could name: lists are empty, and every id is answered
 * as upstream answers one that does not exist. What is asked is checked as if there were some.
 */
import { z } from 'zod'
import type { Server } from '../../domain/server.ts'
import { NovaError } from '../../domain/errors.ts'
import { denied } from '../../task/denied.ts'
import type { Ctx } from '../context.ts'
import { notFound } from '../faults.ts'
import { boolean, digits, once, query, tag, uuid } from '../fields.ts'
import { get, post, put, remove } from '../resource.ts'
import { serverTarget } from './server-target.ts'

const lacks = 'a volume service'

const device = z
  .string()
  .regex(/^\/dev\/x?[a-z]?d?[a-z]+[0-9]*$/, {
    error: (issue) => `'${String(issue.input)}' does not match '(^/dev/x{0,1}[a-z]{0,1}d{0,1})([a-z]+)[0-9]*$'`,
  })
  .nullable()
const wrap = <S extends z.ZodRawShape>(shape: S) => z.strictObject({ volumeAttachment: z.strictObject(shape) })
const attach = { volumeId: uuid, device: device.optional() }
const attach49 = { ...attach, tag: tag.optional() }
const attach79 = { ...attach49, delete_on_termination: boolean.optional() }
const change = {
  '2.1': wrap({ volumeId: uuid }).transform((asked) => ({ ...asked, swapOnly: true })),
  '2.85': wrap({ ...attach79, serverId: uuid.optional(), id: uuid.optional() }).transform((asked) => ({
    ...asked,
    swapOnly: false,
  })),
}

const idOf = ({ params }: Ctx): string => params['volume_id'] ?? ''
const noVolume = (id: string) => notFound(`Volume ${id} could not be found.`)

const ATTACHABLE = ['active', 'paused', 'stopped', 'resized', 'soft-delete', 'shelved', 'shelved_offloaded'] as const
/** Until 2.19 a shelved server could have none attached. */
const asked = {
  '2.1': z.unknown().transform(() => ({ shelvedToo: false })),
  '2.20': z.unknown().transform(() => ({ shelvedToo: true })),
  '2.102': z.strictObject({}).transform(() => ({ shelvedToo: true })),
} as const
const isShelved = ({ vmState }: Server) => vmState === 'shelved' || vmState === 'shelved_offloaded'

function attachable(server: Server, { caller }: Ctx, shelvedToo: boolean): void {
  if (isShelved(server) && !shelvedToo) throw shelvedConflict(server, 'attach_volume')
  const when = { vmState: ATTACHABLE, taskState: 'any' } as const
  const problem = denied('attach_volume', { when, duringTask: 'refuse' }, server, caller.isAdmin)
  if (problem) throw problem
}
const shelvedConflict = ({ id, vmState }: Server, action: string) =>
  new NovaError('InstanceInvalidState', { id, action, attr: 'vm_state', state: vmState })

const path = '/servers/:id/os-volume_attachments'

export const volumeAttachments = [
  get(path, {
    policy: 'os_compute_api:os-volumes-attachments:index',
    lacks,
    query: query({ limit: once(digits), offset: once(digits) }),
    target: serverTarget,
    run: async () => undefined,
    view: () => ({ volumeAttachments: [] }),
  }),
  post(path, {
    policy: 'os_compute_api:os-volumes-attachments:create',
    lacks,
    body: { '2.1': wrap(attach), '2.49': wrap(attach49), '2.79': wrap(attach79) },
    query: asked,
    target: serverTarget,
    run: async (ctx, { body, query: { shelvedToo }, target }) => {
      attachable(target, ctx, shelvedToo)
      throw noVolume(body.volumeAttachment.volumeId)
    },
  }),
  get(`${path}/:volume_id`, {
    policy: 'os_compute_api:os-volumes-attachments:show',
    lacks,
    target: serverTarget,
    run: async (ctx, { target }) => {
      throw notFound(`Instance ${target.id} is not attached to volume ${idOf(ctx)}`)
    },
  }),
  put(`${path}/:volume_id`, {
    policy: 'by the body',
    lacks,
    body: change,
    target: serverTarget,
    run: async (ctx, { body: { volumeAttachment: asked, swapOnly }, target }) => {
      const id = idOf(ctx)
      const rule = swapOnly || asked.volumeId !== id ? 'swap' : 'update'
      ctx.check(`os_compute_api:os-volumes-attachments:${rule}`, rule === 'swap' ? {} : target)
      throw swapOnly ? noVolume(id) : notFound(`No volume Block Device Mapping with id ${id}.`)
    },
  }),
  remove(`${path}/:volume_id`, {
    policy: 'os_compute_api:os-volumes-attachments:delete',
    lacks,
    query: asked,
    target: serverTarget,
    run: async (ctx, { query: { shelvedToo }, target }) => {
      if (isShelved(target) && !shelvedToo) throw shelvedConflict(target, 'detach_volume')
      throw noVolume(idOf(ctx))
    },
  }),
]
