/** `/os-volumes_boot`: servers under another name, until 2.102. */
import { badRequest } from '../faults.ts'
import type { AnyOperation } from '../resource.ts'
import { serverAction } from './server-action.ts'
import { serverCreate } from './server-create.ts'
import { servers } from './servers.ts'

/** The actions that upstream had under this name. */
const KEYS = new Set([
  'confirmResize',
  'revertResize',
  'reboot',
  'resize',
  'rebuild',
  'createImage',
  'os-start',
  'os-stop',
  'trigger_crash_dump',
])

const renamed = (operation: AnyOperation): AnyOperation => ({
  ...operation,
  path: operation.path.replace('/servers', '/os-volumes_boot'),
  until: '2.102',
})
const fewer = (operation: AnyOperation): AnyOperation => ({
  ...operation,
  run: (ctx, given) => {
    const [key = ''] = Object.keys((given.body as { readonly request: object }).request)
    if (!KEYS.has(key)) throw badRequest(`There is no such action: ${key}`)
    return operation.run(ctx, given)
  },
})

export const volumesBoot: readonly AnyOperation[] = [
  ...[...servers, ...serverCreate].map(renamed),
  ...serverAction.map(renamed).map(fewer),
]
