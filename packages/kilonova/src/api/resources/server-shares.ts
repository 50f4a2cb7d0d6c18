/** Shared file systems of servers. No host here can give its guests any, so a server has none, and is refused one as upstream's older hosts refuse it. */
import { z } from 'zod'
import { NovaError } from '../../domain/errors.ts'
import type { Server } from '../../domain/server.ts'
import type { VmState } from '../../domain/states.ts'
import type { Ctx } from '../context.ts'
import { ApiFault, notFound } from '../faults.ts'
import { uuid } from '../fields.ts'
import { get, post, remove } from '../resource.ts'
import { serverTarget } from './server-target.ts'

const since = '2.97'
const lacks = 'hosts that share file systems with their guests'
const path = '/servers/:id/shares'

const create = z.strictObject({
  share: z.strictObject({
    share_id: uuid,
    tag: z
      .string()
      .min(1)
      .max(255)
      .regex(/^[a-zA-Z0-9-]*$/)
      .optional(),
  }),
})

function allowed({ id, vmState }: Server, action: string, states: readonly VmState[]): void {
  if (!states.includes(vmState))
    throw new NovaError('InstanceInvalidState', { id, action, attr: 'vm_state', state: vmState })
}
const noShare = ({ params }: Ctx) => notFound(`Share ${params['share_id'] ?? ''} could not be found.`)

export const serverShares = [
  get(path, {
    policy: 'os_compute_api:os-server-shares:index',
    since,
    lacks,
    query: z.strictObject({}),
    target: serverTarget,
    run: async () => undefined,
    view: () => ({ shares: [] }),
  }),
  post(path, {
    policy: 'os_compute_api:os-server-shares:create',
    since,
    lacks,
    body: create,
    target: serverTarget,
    run: async (_ctx, { target }) => {
      allowed(target, 'create share', ['stopped'])
      throw new ApiFault(403, 'Feature not supported until computes have not been updated.')
    },
  }),
  get(`${path}/:share_id`, {
    policy: 'os_compute_api:os-server-shares:show',
    since,
    lacks,
    query: z.strictObject({}),
    target: serverTarget,
    run: async (ctx) => {
      throw noShare(ctx)
    },
  }),
  remove(`${path}/:share_id`, {
    policy: 'os_compute_api:os-server-shares:delete',
    since,
    lacks,
    target: serverTarget,
    run: async (ctx, { target }) => {
      allowed(target, 'delete share', ['stopped', 'error'])
      throw noShare(ctx)
    },
  }),
]
