/** A store made by the first version is brought up to date with all that is in it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { migrate } from '@kilonova/base/database/migrate.ts'
import { openDatabase } from '@kilonova/base/database/open.ts'
import { sql } from 'kysely'
import { freshDatabase } from '../../test-cloud.ts'
import { rolesOn } from './assignments.ts'
import { migrations, type IdentityTables } from './tables.ts'

test('what the first version kept is still there', async (t) => {
  const database = openDatabase<IdentityTables>({ url: await freshDatabase(), synchronous: 'normal' })
  t.after(() => database.close())
  const db = database.kysely
  const first = '0001-identity'
  await migrate(db, { [first]: migrations[first] ?? [] })
  for (const statement of [
    `insert into domains values ('default', 'Default', '', 1)`,
    `insert into projects values ('p', 'demo', 'default', '', 1)`,
    `insert into users values ('u', 'ann', 'default', '', null, 1, 'p', 'scrypt$...', 0)`,
    `insert into roles values ('m', 'member', ''), ('r', 'reader', '')`,
    `insert into implied_roles values ('m', 'r')`,
    `insert into assignments values ('u', 'project', 'p', 'm')`,
    `insert into regions values ('one', '')`,
    `insert into services values ('s', 'image', 'glance', '', 1)`,
    `insert into endpoints values ('e', 's', 'one', 'public', 'http://x', 1)`,
    `insert into tokens values ('h', 'u', 'p', null, 'password', 'a', null, 1, 2)`,
  ])
    await sql.raw(statement).execute(db)
  await migrate(db, migrations)

  const roles = await rolesOn(db, 'u', { kind: 'project', id: 'p' })
  assert.deepEqual(
    roles.map(({ name }) => name),
    ['member', 'reader'],
  )
  const endpoint = await db.selectFrom('endpoints').selectAll().executeTakeFirstOrThrow()
  assert.deepEqual([endpoint.service_id, endpoint.region_id, endpoint.extra], ['s', 'one', '{}'])
  const user = await db.selectFrom('users').select(['password_hash', 'planned_hash']).executeTakeFirstOrThrow()
  assert.equal(user.planned_hash, user.password_hash)
  const token = await db.selectFrom('tokens').selectAll().executeTakeFirstOrThrow()
  assert.deepEqual([token.hash, token.project_id, token.system], ['h', 'p', 0])
  // What refers to a table that was made anew still goes with it.
  await db.deleteFrom('services').execute()
  await db.deleteFrom('roles').where('id', '=', 'm').execute()
  assert.deepEqual(await db.selectFrom('endpoints').select('id').execute(), [])
  assert.deepEqual(await db.selectFrom('assignments').select('role_id').execute(), [])
  assert.deepEqual(await db.selectFrom('implied_roles').select('prior_id').execute(), [])
})
