/** Tokens: random, kept as their hash, gone when expired or revoked. What one stands for is read afresh each time. */
import { hash, randomBytes } from 'node:crypto'
import type { Kysely } from 'kysely'
import { SYSTEM, type Target } from './assignments.ts'
import type { IdentityTables } from './tables.ts'

export interface NewToken {
  readonly userId: string
  readonly projectId: string | null
  readonly domainId: string | null
  readonly system: boolean
  readonly applicationCredentialId: string | null
  readonly methods: readonly string[]
  readonly parentAuditId: string | null
  readonly issuedAt: number
  readonly expiresAt: number
}

/** A token that is valid now, with the names of all it refers to. */
export interface Token extends NewToken {
  readonly auditId: string
  readonly userName: string
  readonly userDomain: { readonly id: string; readonly name: string }
  readonly project:
    | { readonly id: string; readonly name: string; readonly domain: { readonly id: string; readonly name: string } }
    | undefined
  readonly domain: { readonly id: string; readonly name: string } | undefined
  readonly applicationCredential:
    | { readonly id: string; readonly name: string; readonly unrestricted: boolean }
    | undefined
}

/** What the token's roles are held on; undefined for one without a scope. */
export function targetOf({ projectId, domainId, system }: NewToken): Target | undefined {
  if (projectId !== null) return { kind: 'project', id: projectId }
  if (domainId !== null) return { kind: 'domain', id: domainId }
  return system ? SYSTEM : undefined
}

const hashed = (token: string): string => hash('sha256', token, 'base64url')
const auditId = (): string => randomBytes(16).toString('base64url')

/** Writes the token and returns what its holder shows. */
export async function insertToken(db: Kysely<IdentityTables>, token: NewToken): Promise<string> {
  const id = randomBytes(48).toString('base64url')
  await db
    .insertInto('tokens')
    .values({
      hash: hashed(id),
      user_id: token.userId,
      project_id: token.projectId,
      domain_id: token.domainId,
      system: token.system ? 1 : 0,
      application_credential_id: token.applicationCredentialId,
      methods: token.methods.join(','),
      audit_id: auditId(),
      parent_audit_id: token.parentAuditId,
      issued_at: token.issuedAt,
      expires_at: token.expiresAt,
    })
    .execute()
  return id
}

/** A service may ask about a token that expired while the request it came with was at work: Keystone's `allow_expired_window`. */
export const EXPIRED_WINDOW_MS = 48 * 3600_000

/** Undefined when unknown, expired (before `since`), revoked, or when its user, project or domain is disabled. */
export async function findToken(
  db: Kysely<IdentityTables>,
  id: string,
  now: number,
  since = now,
): Promise<Token | undefined> {
  const row = await db
    .selectFrom('tokens')
    .innerJoin('users', 'users.id', 'tokens.user_id')
    .innerJoin('domains as user_domain', 'user_domain.id', 'users.domain_id')
    .leftJoin('projects', 'projects.id', 'tokens.project_id')
    .leftJoin('domains as project_domain', 'project_domain.id', 'projects.domain_id')
    .leftJoin('domains as domain', 'domain.id', 'tokens.domain_id')
    .leftJoin('application_credentials as credential', 'credential.id', 'tokens.application_credential_id')
    .selectAll('tokens')
    .select(['users.name as user_name', 'users.enabled as user_enabled', 'users.tokens_from'])
    .select([
      'user_domain.id as user_domain_id',
      'user_domain.name as user_domain_name',
      'user_domain.enabled as user_domain_enabled',
    ])
    .select(['projects.name as project_name', 'projects.enabled as project_enabled'])
    .select(['project_domain.id as project_domain_id', 'project_domain.name as project_domain_name'])
    .select('project_domain.enabled as project_domain_enabled')
    .select([
      'credential.name as credential_name',
      'credential.unrestricted',
      'credential.expires_at as credential_expires_at',
    ])
    .select(['domain.name as domain_name', 'domain.enabled as domain_enabled'])
    .where('tokens.hash', '=', hashed(id))
    .where('tokens.expires_at', '>', since)
    .executeTakeFirst()
  if (!row || row.issued_at < row.tokens_from || !row.user_enabled || !row.user_domain_enabled) return undefined
  if (row.credential_expires_at !== null && row.credential_expires_at <= since) return undefined
  if (
    (row.project_id && !(row.project_enabled && row.project_domain_enabled)) ||
    (row.domain_id && !row.domain_enabled)
  )
    return undefined
  return {
    userId: row.user_id,
    userName: row.user_name,
    userDomain: { id: row.user_domain_id, name: row.user_domain_name },
    projectId: row.project_id,
    project: row.project_id
      ? {
          id: row.project_id,
          name: row.project_name ?? '',
          domain: { id: row.project_domain_id ?? '', name: row.project_domain_name ?? '' },
        }
      : undefined,
    domainId: row.domain_id,
    domain: row.domain_id ? { id: row.domain_id, name: row.domain_name ?? '' } : undefined,
    system: row.system === 1,
    applicationCredentialId: row.application_credential_id,
    applicationCredential: row.application_credential_id
      ? {
          id: row.application_credential_id,
          name: row.credential_name ?? '',
          unrestricted: row.unrestricted === 1,
        }
      : undefined,
    methods: row.methods.split(','),
    auditId: row.audit_id,
    parentAuditId: row.parent_audit_id,
    issuedAt: row.issued_at,
    expiresAt: row.expires_at,
  }
}

export async function deleteToken(db: Kysely<IdentityTables>, id: string): Promise<void> {
  await db.deleteFrom('tokens').where('hash', '=', hashed(id)).execute()
}

export async function deleteExpiredTokens(db: Kysely<IdentityTables>, now: number): Promise<void> {
  await db
    .deleteFrom('tokens')
    .where('expires_at', '<=', now - EXPIRED_WINDOW_MS)
    .execute()
}
