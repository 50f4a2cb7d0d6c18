/** All migrations, in order. A released one is never changed; the next is added at the end. */
import type { Migrations } from '@kilonova/base/database/migrate.ts'
import { first } from './0001-first.ts'
import { aggregates } from './0002-aggregates.ts'
import { serverRequest } from './0003-server-request.ts'
import { guestData } from './0004-guest-data.ts'
import { watches } from './0005-watches.ts'
import { tagsAndGroups } from './0006-tags-and-groups.ts'
import { locksAndSoftDeletion } from './0007-locks-and-soft-deletion.ts'
import { shelvedAndRescued } from './0008-shelved-and-rescued.ts'
import { backupPolicies } from './0009-backup-policies.ts'
import { quotaRows } from './0010-quota-rows.ts'
import { serverMigrations } from './0011-server-migrations.ts'
import { consoleTokens } from './0012-console-tokens.ts'
import { serverTerms } from './0013-server-terms.ts'
import { localDisks } from './0016-local-disks.ts'

const SERIAL = { sqlite: 'INTEGER PRIMARY KEY AUTOINCREMENT', postgresql: 'BIGSERIAL PRIMARY KEY' } as const

/** `$SERIAL` stands for a growing integer primary key, the one thing that the two databases spell differently. */
export const migrationsFor = (kind: keyof typeof SERIAL): Migrations =>
  Object.fromEntries(
    Object.entries({
      '0001-first': first,
      '0002-aggregates': aggregates,
      '0003-server-request': serverRequest,
      '0004-guest-data': guestData,
      '0005-watches': watches,
      '0006-tags-and-groups': tagsAndGroups,
      '0007-locks-and-soft-deletion': locksAndSoftDeletion,
      '0008-shelved-and-rescued': shelvedAndRescued,
      '0009-backup-policies': backupPolicies,
      '0010-quota-rows': quotaRows,
      '0011-server-migrations': serverMigrations,
      '0012-console-tokens': consoleTokens,
      '0013-server-terms': serverTerms[kind],
      '0016-local-disks': localDisks,
    }).map(([name, statements]) => [name, statements.map((text) => text.replaceAll('$SERIAL', SERIAL[kind]))]),
  )
