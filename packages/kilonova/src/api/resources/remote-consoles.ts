/** `POST /servers/{id}/remote-consoles`, and the actions that did the same until 2.5. */
import { z } from 'zod'
import type { Server } from '../../domain/server.ts'
import type { Ctx } from '../context.ts'
import { post, wrapped } from '../resource.ts'
import { consoleAccess, type Protocol } from './console-access.ts'
import type { PlainAction } from './server-action.ts'
import { serverTarget } from './server-target.ts'

const POLICY = 'os_compute_api:os-remote-consoles'
const asking = <P extends Protocol, T extends string>(protocols: readonly P[], types: readonly T[]) =>
  z.strictObject({ remote_console: z.strictObject({ protocol: z.enum(protocols), type: z.enum(types) }) })

const OLD_TYPES = ['novnc', 'xvpvnc', 'spice-html5', 'serial'] as const

export const remoteConsoles = [
  post('/servers/:id/remote-consoles', {
    policy: POLICY,
    since: '2.6',
    target: serverTarget,
    body: {
      '2.6': asking(['vnc', 'spice', 'serial'], OLD_TYPES),
      '2.8': asking(['vnc', 'spice', 'serial', 'mks'], [...OLD_TYPES, 'webmks']),
      '2.99': asking(['vnc', 'spice', 'serial', 'mks'], [...OLD_TYPES, 'webmks', 'spice-direct']),
    },
    run: async (ctx, { body, target }) => {
      const { protocol, type } = body.remote_console
      return { protocol, type, url: await consoleAccess(ctx, target, protocol, type) }
    },
    view: wrapped('remote_console', (shown) => shown),
  }),
]

const asked = (protocol: Protocol, types: readonly string[]): PlainAction => ({
  policy: POLICY,
  until: '2.5',
  value: z.strictObject({ type: z.enum(types) }),
  run: async (ctx: Ctx, server: Server, value: unknown) => {
    const { type } = value as { type: string }
    return { status: 200, body: { console: { type, url: await consoleAccess(ctx, server, protocol, type) } } }
  },
})

export const consoleActions: Readonly<Record<string, PlainAction>> = {
  'os-getVNCConsole': asked('vnc', ['novnc', 'xvpvnc']),
  'os-getSPICEConsole': asked('spice', ['spice-html5']),
  'os-getSerialConsole': asked('serial', ['serial']),
}
