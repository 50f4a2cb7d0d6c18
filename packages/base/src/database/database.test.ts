import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Generated } from 'kysely'
import { migrate } from './migrate.ts'
import { openDatabase } from './open.ts'

interface Tables {
  things: { number: Generated<number>; name: string; good: number }
}
const first = {
  '0001-things': ['CREATE TABLE things (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, good INTEGER NOT NULL)'],
}

async function database(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'kilonova-database-'))
  const file = join(folder, 'some.sqlite')
  const { kysely, close } = openDatabase<Tables>({ url: `sqlite:${file}`, synchronous: 'normal' })
  t.after(async () => {
    await close()
    rmSync(folder, { recursive: true })
  })
  return { kysely, file }
}

test('migrations are applied once and in order, and a broken one leaves nothing', async (t) => {
  const { kysely } = await database(t)
  const second = { ...first, '0002-more': ["INSERT INTO things (name, good) VALUES ('first', 1)"] }
  assert.deepEqual(await migrate(kysely, second), ['0001-things', '0002-more'])
  assert.deepEqual(await migrate(kysely, second), [])
  await assert.rejects(
    migrate(kysely, { ...second, '0003-broken': ["INSERT INTO things (name, good) VALUES ('half', 1)", 'NONSENSE'] }),
  )
  assert.deepEqual(
    (await kysely.selectFrom('things').select('name').execute()).map(({ name }) => name),
    ['first'],
  )
})

test('a transaction that throws has no effect, and others wait for it', async (t) => {
  const { kysely } = await database(t)
  await migrate(kysely, first)
  const add = (name: string) => kysely.insertInto('things').values({ name, good: 1 }).execute()
  const broken = kysely.transaction().execute(async (tx) => {
    await tx.insertInto('things').values({ name: 'undone', good: 1 }).execute()
    throw new Error('no')
  })
  await Promise.all([assert.rejects(broken, { message: 'no' }), add('beside')])
  assert.deepEqual(
    (await kysely.selectFrom('things').select('name').execute()).map(({ name }) => name),
    ['beside'],
  )
})

test('nobody else may read the file', async (t) => {
  const { kysely, file } = await database(t)
  await migrate(kysely, first)
  for (const path of [file, `${file}-wal`]) assert.equal(statSync(path).mode & 0o077, 0)
})

test('a url of another kind is refused without showing its password', () => {
  assert.throws(
    () => openDatabase({ url: 'mysql://user:secret@host/db', synchronous: 'normal' }),
    (error: Error) => /mysql/.test(error.message) && !/secret/.test(error.message),
  )
})
