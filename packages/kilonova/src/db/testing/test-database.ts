/** For tests: an empty database in memory, or a new one on the server that `KILONOVA_TEST_POSTGRESQL` names (`postgresql://user@host:port`). */
import type { TestContext } from 'node:test'
import { newId } from '@kilonova/base/clock.ts'
import { openDatabase } from '@kilonova/base/database/open.ts'
import { sql, type Kysely } from 'kysely'
import { openKilonovaDatabase, type KilonovaDatabase } from '../database.ts'
import { insertTask } from '../tasks.ts'
import type { Tables } from '../tables.ts'

export async function testDatabase(t: TestContext): Promise<Kysely<Tables>> {
  const database = await openTestDatabase()
  t.after(() => database.close())
  return database.kysely
}

/** For what must end in an order of its own: hooks of a test run as they were made, so the database would go first. */
export const openTestDatabase = async (): Promise<KilonovaDatabase> =>
  openKilonovaDatabase({ url: await freshUrl(), synchronous: 'normal' })

async function freshUrl(): Promise<string> {
  const server = process.env['KILONOVA_TEST_POSTGRESQL']
  if (server === undefined) return 'sqlite::memory:'
  const name = `kilonova_${newId().replaceAll('-', '')}`
  const maintenance = openDatabase({ url: `${server}/postgres`, synchronous: 'normal' })
  await sql`create database ${sql.ref(name)}`.execute(maintenance.kysely)
  await maintenance.close()
  return `${server}/${name}`
}

/** An open task that nobody has leased yet. */
export async function openTask(
  db: Kysely<Tables>,
  serverId: string,
  more: { readonly id?: string; readonly action?: string; readonly afterTaskId?: string } = {},
): Promise<{ readonly id: string; readonly epoch: number }> {
  const { id = newId(), action = 'create', afterTaskId = null } = more
  const admitted = { vmState: 'building', taskState: null, powerState: 'nostate' }
  await insertTask(
    db,
    {
      id,
      action,
      serverId,
      projectId: 'project',
      userId: 'user',
      requestId: 'req-1',
      body: null,
      admitted,
      afterTaskId,
    },
    0,
  )
  return { id, epoch: 0 }
}
