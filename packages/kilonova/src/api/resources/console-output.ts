/** `os-getConsoleOutput`: the end of a guest's serial console, read by its host when asked. */
import { z } from 'zod'
import { NovaError } from '../../domain/errors.ts'
import type { Server } from '../../domain/server.ts'
import { NoAnswerError } from '../../rpc/bus.ts'
import { compute, computeTopic } from '../../rpc/compute.ts'
import { client } from '../../rpc/contract.ts'
import type { Ctx } from '../context.ts'
import { integer } from '../fields.ts'

const MAX_BYTES = 102_400
const TIMEOUT_MS = 15_000

/** `length`: the last so many lines; null, absent or -1: all that is kept. */
const value = z.strictObject({ length: integer(-1).nullable().optional() })

export const consoleOutput = {
  policy: 'os_compute_api:os-console-output',
  value,
  /** Errors: InstanceNotReady without a host; HostUnreachable. */
  run: async ({ bus, caller }: Ctx, server: Server, asked: unknown) => {
    const { length } = value.parse(asked)
    if (server.host === null) throw new NovaError('InstanceNotReady', { id: server.id })
    const { requestId, userId, projectId } = caller
    const host = client(compute, bus, computeTopic(server.host), { requestId, userId, projectId }, TIMEOUT_MS)
    const output = await host.consoleOutput({ serverId: server.id, maxBytes: MAX_BYTES }).catch((error: unknown) => {
      if (error instanceof NoAnswerError)
        throw new NovaError('HostUnreachable', { host: server.host ?? '' }, { cause: error })
      throw error
    })
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
