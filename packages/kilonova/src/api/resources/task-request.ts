/** Actions whose request says more than their task needs, or is answered with more than a status: looked up in the caller's name first. */
import type { z } from 'zod'
import type { ServerAction } from '../../actions/define.ts'
import type { Server } from '../../domain/server.ts'
import type { VersionTable } from '../../domain/microversion.ts'
import type { Ctx } from '../context.ts'

export interface Prepared {
  /** Of the task. */
  readonly body: unknown
  /** Undoes what was prepared when the task is refused after all. */
  readonly refused?: () => Promise<void>
  /** After the task was admitted; what it returns is the body of the answer. */
  readonly answer?: () => unknown
}

export interface TaskRequest {
  readonly key: string
  readonly action: ServerAction
  readonly status: number
  /** Of the value under the key. */
  readonly value: VersionTable<z.ZodType>
  /** Nothing was written yet, and the server's state allows the action. */
  prepare(ctx: Ctx, server: Server, value: never): Promise<Prepared>
}

/** Keeps what the schemas give and what `prepare` takes the same. */
export const taskRequest = <V>(
  request: Omit<TaskRequest, 'value' | 'prepare'> & {
    readonly value: VersionTable<z.ZodType<V>>
    prepare(ctx: Ctx, server: Server, value: V): Promise<Prepared>
  },
): TaskRequest => request
