/** `os-getConsoleOutput`: the end of a guest's serial console, read by its host when asked. */
import { z } from 'zod'
import type { Server } from '../../domain/server.ts'
import type { Ctx } from '../context.ts'
import { integer } from '../fields.ts'
import { askHost } from './at-once.ts'

const MAX_BYTES = 102_400

/** `length`: the last so many lines; null, absent or -1: all that is kept. */
const value = z.strictObject({ length: integer(-1).nullable().optional() })

export const consoleOutput = {
  policy: 'os_compute_api:os-console-output',
  value,
  /** Errors: InstanceNotReady without a host; HostUnreachable. */
  run: async (ctx: Ctx, server: Server, asked: unknown) => {
    const { length } = value.parse(asked)
    const output = await askHost(ctx, server, (host) =>
      host.consoleOutput({ serverId: server.id, maxBytes: MAX_BYTES }),
    )
    return { status: 200, body: { output: lastLines(output, length ?? -1) } }
  },
}

export function lastLines(text: string, count: number): string {
  if (count < 0) return text
  if (count === 0) return ''
  const lines = text.split('\n')
  const open = lines.at(-1) === '' ? 1 : 0
  return lines.slice(-(count + open)).join('\n')
}
