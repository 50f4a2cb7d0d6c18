/** Application credentials: a secret of its own for a user's program, with some of the user's roles on one project. */
import { sql, type Kysely } from 'kysely'
import type { IdentityTables } from './tables.ts'

/** Ids of the roles it was given, those they imply included. Which of them its user still holds is asked each time. */
export async function impliedByCredential(db: Kysely<IdentityTables>, id: string): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ id: string }>`
    with recursive given (id) as (
      select role_id from application_credential_roles where application_credential_id = ${id}
      union select implied_id from implied_roles join given on given.id = implied_roles.prior_id
    ) select id from given`.execute(db)
  return new Set(rows.map((row) => row.id))
}

/** The roles it was given, by name. */
export const rolesOfCredential = (db: Kysely<IdentityTables>, id: string) =>
  db
    .selectFrom('application_credential_roles')
    .innerJoin('roles', 'roles.id', 'application_credential_roles.role_id')
    .select(['roles.id', 'roles.name', 'roles.domain_id', 'roles.description', 'roles.options'])
    .where('application_credential_id', '=', id)
    .orderBy('roles.name')
    .execute()
