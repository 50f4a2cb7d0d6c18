/** What every part of the network service works with. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { Database } from '@kilonova/base/database/open.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { Kysely } from 'kysely'
import { privileged, type Caller } from '../openstack/caller.ts'
import type { TokenCheck } from '../openstack/token-check.ts'
import type { ChangeFeed } from './changes.ts'
import { disallowed } from './errors.ts'
import type { AddressCursors } from './store/allocate.ts'
import type { DefaultRule } from './store/security-groups.ts'
import type { NetworkTables } from './store/tables.ts'

export type NetworkDatabase = Database<NetworkTables>
/** A database or a transaction in it. */
export type Db = Kysely<NetworkTables>

export interface NetworkContext {
  readonly database: NetworkDatabase
  readonly check: TokenCheck
  readonly log: Log
  readonly clock: Clock
  readonly defaultMtu: number
  /** Rules that a project's default group gets beside Neutron's own. */
  readonly defaultGroupRules: readonly DefaultRule[]
  readonly cursors: AddressCursors
  readonly changes: ChangeFeed
}

/** The project a new thing belongs to: the caller's, or the one that an admin or a service names. Errors: 403. */
export function projectFor(
  caller: Caller,
  { project_id: project, tenant_id: tenant }: { project_id?: string | undefined; tenant_id?: string | undefined },
): string {
  const named = project ?? tenant ?? caller.projectId
  if (named !== caller.projectId && !privileged(caller)) throw disallowed('create for another project')
  return named
}
