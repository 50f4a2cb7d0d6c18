/** The thread that lists servers, from inside: one read-only connection; a question in, bytes out. It must be started as a worker. */
import { parentPort, workerData } from 'node:worker_threads'
import { openSqlite, sqliteDialect } from '@kilonova/base/database/sqlite.ts'
import { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import { isNovaError } from '../domain/errors.ts'
import { renderServers } from './render-servers.ts'
import type { ServerPageRequest } from './server-lister.ts'

export interface ListQuestion {
  readonly number: number
  readonly now: number
  readonly request: ServerPageRequest
}
export type ListAnswer =
  | { readonly kind: 'up' }
  | { readonly kind: 'page'; readonly number: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | {
      readonly kind: 'failed'
      readonly number: number
      readonly name?: string
      readonly detail?: unknown
      readonly message: string
    }

const { file } = workerData as { file: string }
const db = new Kysely<Tables>({ dialect: sqliteDialect(openSqlite({ file, synchronous: 'normal', readOnly: true })) })
const port = parentPort
if (!port) throw new Error('list-worker.ts runs only as a worker')

async function answer({ number, now, request }: ListQuestion): Promise<ListAnswer> {
  try {
    return { kind: 'page', number, bytes: await renderServers(db, request, now) }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return {
      kind: 'failed',
      number,
      message,
      ...(isNovaError(error) ? { name: error.name, detail: error.detail } : {}),
    }
  }
}

port.on('message', (question: ListQuestion) => {
  void answer(question).then((result) => port.postMessage(result, result.kind === 'page' ? [result.bytes.buffer] : []))
})
port.postMessage({ kind: 'up' } satisfies ListAnswer)
