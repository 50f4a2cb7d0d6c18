/** What upstream removed: 410 at every microversion, to whoever has a token. */
import { z } from 'zod'
import { ApiFault, badRequest } from '../faults.ts'
import { get, post, put, remove, type AnyOperation } from '../resource.ts'

const MAKE = { GET: get, POST: post, PUT: put, DELETE: remove } as const
type Method = keyof typeof MAKE

const GONE: readonly (readonly [string, readonly Method[]])[] = [
  ['/os-certificates', ['POST']],
  ['/os-certificates/:id', ['GET']],
  ['/os-cloudpipe', ['GET', 'POST']],
  ['/os-cloudpipe/:id', ['PUT']],
  ['/os-fixed-ips/:id', ['GET']],
  ['/os-floating-ip-dns', ['GET']],
  ['/os-floating-ip-dns/:id', ['PUT', 'DELETE']],
  ['/os-floating-ip-dns/:domain_id/entries/:id', ['GET', 'PUT', 'DELETE']],
  ['/os-floating-ips-bulk', ['GET', 'POST']],
  ['/os-floating-ips-bulk/:id', ['GET', 'PUT']],
  ['/os-fping', ['GET']],
  ['/os-fping/:id', ['GET']],
  ['/servers/:id/os-virtual-interfaces', ['GET']],
  ['/os-cells', ['GET', 'POST']],
  ['/os-cells/capacities', ['GET']],
  ['/os-cells/detail', ['GET']],
  ['/os-cells/info', ['GET']],
  ['/os-cells/sync_instances', ['POST']],
  ['/os-cells/:id', ['GET', 'PUT', 'DELETE']],
  ['/os-cells/:id/capacities', ['GET']],
  ['/os-networks', ['POST']],
  ['/os-networks/add', ['POST']],
  ['/os-networks/:id', ['DELETE']],
  ['/os-security-group-default-rules', ['GET', 'POST']],
  ['/os-security-group-default-rules/:id', ['GET', 'DELETE']],
  ['/os-tenant-networks', ['POST']],
  ['/os-tenant-networks/:id', ['DELETE']],
  ['/servers/:id/consoles', ['GET', 'POST']],
  ['/servers/:id/consoles/:console_id', ['GET', 'DELETE']],
  ['/os-agents', ['GET', 'POST']],
  ['/os-agents/:id', ['PUT', 'DELETE']],
]
/** Whose actions, by the key in the body, are gone. */
const GONE_ACTIONS: readonly (readonly [string, readonly string[]])[] = [
  ['/os-fixed-ips/:id/action', ['reserve', 'unreserve']],
  ['/os-networks/:id/action', ['disassociate', 'disassociate_host', 'disassociate_project', 'associate_host']],
]

export const gone = (): ApiFault => new ApiFault(410, 'The resource has been removed from the API.')

/** No schema is asked: whatever is sent, it is gone. */
const plain = {
  policy: 'none',
  query: z.unknown(),
  run: async () => {
    throw gone()
  },
} as const

export const removed: readonly AnyOperation[] = [
  ...GONE.flatMap(([path, methods]) => methods.map((method) => MAKE[method](path, plain))),
  ...GONE_ACTIONS.map(([path, keys]) =>
    post(path, {
      ...plain,
      body: z.record(z.string(), z.unknown()),
      run: async (_ctx, { body }) => {
        const [key = ''] = Object.keys(body)
        throw keys.includes(key) ? gone() : badRequest(`There is no such action: ${key}`)
      },
    }),
  ),
]
