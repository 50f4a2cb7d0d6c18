/** Actions whose request says more than their task needs, or is answered with more than a status: looked up in the caller's name first. */
import type { z } from 'zod'
import type { ServerAction } from '../../actions/define.ts'
import type { Server } from '../../domain/server.ts'
import type { VersionTable } from '../../domain/microversion.ts'
import type { At, Ctx } from '../context.ts'

/** As text, or as what is made JSON of. */
export type View = (at: At) => unknown

export interface Prepared {
  /** Of the task. */
  readonly body: unknown
  /** Undoes what was prepared when the task is refused after all. */
  readonly refused?: () => Promise<void>
  /** After the task was admitted: the body of the answer. Without it there is none. */
  readonly answer?: () => Promise<View>
}

export interface TaskRequest {
  readonly key: string
  /** A function where the server's state, or the configuration, decides. */
  readonly action: ServerAction | ((ctx: Ctx, server: Server) => ServerAction)
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
