/** What handlers reach: the request's caller and the daemon's own things. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { Kysely } from 'kysely'
import type { Caller } from '../actions/admit.ts'
import type { Glance } from '../clients/glance.ts'
import type { Keystone } from '../clients/keystone.ts'
import type { Neighbour } from '../clients/neighbour.ts'
import type { Neutron } from '../clients/neutron.ts'
import type { KilonovaConfig } from '../config/index.ts'
import type { Tables } from '../db/tables.ts'
import type { VersionTable } from '../domain/microversion.ts'
import type { Policy, Subject, Target } from '../policy/policy.ts'
import type { Rule } from '../policy/rules.ts'
import type { Bus } from '../rpc/bus.ts'
import type { ServerLister } from './server-lister.ts'

export interface ApiReach {
  readonly db: Kysely<Tables>
  readonly bus: Bus
  readonly keystone: Keystone
  readonly glance: Glance
  readonly neutron: Neutron
  /** The network and image services, asked in the user's name, for what was once ours to answer. */
  readonly neighbours: { readonly network: Neighbour; readonly image: Neighbour }
  readonly config: KilonovaConfig
  readonly policy: Policy
  readonly clock: Clock
  readonly log: Log
  readonly lister: ServerLister
}

/** Who asks; `token` lets us ask other services in their name. */
export interface Asker extends Caller, Subject {
  readonly token: string
}

/** Where and how the request came in: what views need. */
export interface At {
  readonly minor: number
  /** `http://host:8774/v2.1`, with the project where the caller wrote it. */
  readonly base: string
  /** The same without the version. */
  readonly bookmark: string
  /** The path asked for, below `base`. */
  readonly path: string
  /** The query as it was sent, for links to the next page. */
  readonly search: string
  allows(rule: Rule, target?: Target): boolean
}

export interface Ctx extends ApiReach {
  readonly caller: Asker
  readonly params: Readonly<Record<string, string>>
  readonly at: Omit<At, 'minor'>
  /** Errors: NovaError Forbidden. */
  check(rule: string, target?: Target): void
  /** What a table holds at the version asked for. */
  atVersion<V>(table: VersionTable<V>): V | undefined
  /** A header of the answer. */
  setHeader(name: string, value: string): void
  /** Where the operation's own table cannot say it. */
  setStatus(status: number): void
}
