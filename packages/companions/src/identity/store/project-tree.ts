/** Projects above and below a project. A tree is at most five deep, so the walk up is short. */
import type { Kysely, Selectable } from 'kysely'
import type { IdentityTables } from './tables.ts'

type Project = Selectable<IdentityTables['projects']>

/** Keystone's `max_project_tree_depth`. */
export const MAX_DEPTH = 5

/** The project itself and all above it, nearest first. */
export async function ancestorsOf(db: Kysely<IdentityTables>, id: string): Promise<readonly Project[]> {
  const found: Project[] = []
  for (let next: string | null = id; next !== null && found.length <= MAX_DEPTH;) {
    const row: Project | undefined = await db
      .selectFrom('projects')
      .selectAll()
      .where('id', '=', next)
      .executeTakeFirst()
    if (!row) break
    found.push(row)
    next = row.parent_id
  }
  return found
}

/** All below it, nearest first, without itself. */
export async function subtreeOf(db: Kysely<IdentityTables>, id: string): Promise<readonly Project[]> {
  const found: Project[] = []
  for (let level = [id]; level.length > 0;) {
    const rows = await db.selectFrom('projects').selectAll().where('parent_id', 'in', level).orderBy('name').execute()
    found.push(...rows)
    level = rows.map((row) => row.id)
  }
  return found
}
