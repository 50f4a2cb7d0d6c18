/** From a request for a token to a user and a scope. Every way to fail is the same 401, and takes the same time. */
import type { ExpressionBuilder } from 'kysely'
import { z } from 'zod'
import { parsed } from '../openstack/body.ts'
import { Fault, unauthorized } from '../openstack/fault.ts'
import type { IdentityContext } from './context.ts'
import { notUnderstood, refusedAction } from './errors.ts'
import type { Attempt } from './login-limit.ts'
import { passwordMatches } from './password.ts'
import { rolesOn, SYSTEM, type Target } from './store/assignments.ts'
import type { IdentityTables } from './store/tables.ts'
import { findToken } from './store/tokens.ts'

const domainRef = z.object({ id: z.string().optional(), name: z.string().optional() })
const whoRef = z.object({ id: z.string().optional(), name: z.string().optional(), domain: domainRef.optional() })
const userRef = whoRef.extend({ password: z.string() })
const credentialRef = z.object({
  id: z.string().optional(),
  name: z.string().optional(),
  user: whoRef.optional(),
  secret: z.string(),
})
const body = z.object({
  auth: z.object({
    identity: z.object({
      methods: z.array(z.string()).min(1).max(4),
      password: z.object({ user: userRef }).optional(),
      token: z.object({ id: z.string() }).optional(),
      application_credential: credentialRef.optional(),
    }),
    scope: z
      .union([
        z.literal('unscoped'),
        z.object({
          project: whoRef.optional(),
          domain: domainRef.optional(),
          system: z.object({ all: z.literal(true) }).optional(),
          unscoped: z.looseObject({}).optional(),
        }),
      ])
      .optional(),
  }),
})
type Auth = z.output<typeof body>['auth']

export interface Identified {
  readonly userId: string
  readonly defaultProjectId: string | null
  readonly methods: readonly string[]
  /** Of a token or an application credential that was shown instead of a password: the new token lives no longer. */
  readonly expiresAt: number | undefined
  readonly parentAuditId: string | null
  /** It brings its own scope. */
  readonly applicationCredential: { readonly id: string; readonly projectId: string } | undefined
}

export interface Scope {
  readonly projectId: string | null
  readonly domainId: string | null
  readonly system: boolean
}

export const parseAuth = (value: unknown): Auth => parsed(body, value).auth

/** Who a request says to come from, for the audit log: no more than was sent, and no secret. */
export function claimedUser({ identity: { password, application_credential: credential } }: Auth): string {
  const user = password?.user ?? credential?.user
  return (user?.id ?? user?.name ?? credential?.id ?? 'unknown').slice(0, 255)
}

/** Errors: 400 for a method we do not have, 401, 403 for a token that may give no other, 429 after too many failures. */
export async function identify(ctx: IdentityContext, { identity }: Auth, source: string): Promise<Identified> {
  const found: Identified[] = []
  for (const method of new Set(identity.methods)) {
    const { password, token, application_credential: credential } = identity
    if (method === 'password' && password) found.push(await byPassword(ctx, password.user, source))
    else if (method === 'token' && token) found.push(await byToken(ctx, token.id))
    else if (method === 'application_credential' && credential)
      found.push(await byApplicationCredential(ctx, credential, source))
    else throw notUnderstood(`Expecting to find ${method} in identity.`)
  }
  const [first, ...others] = found
  if (!first || others.some(({ userId }) => userId !== first.userId)) throw unauthorized()
  const expiries = found.flatMap(({ expiresAt = [] }) => expiresAt)
  return {
    ...first,
    methods: [...new Set(found.flatMap(({ methods }) => methods))],
    expiresAt: expiries.length > 0 ? Math.min(...expiries) : undefined,
    parentAuditId: found.find(({ parentAuditId }) => parentAuditId !== null)?.parentAuditId ?? null,
    applicationCredential: found.find(({ applicationCredential }) => applicationCredential)?.applicationCredential,
  }
}

/** Compares a secret under the limit of failed logins. The limit is asked again after the slow part: others failed meanwhile. */
async function proven(
  { logins }: IdentityContext,
  attempt: Attempt,
  secret: string,
  hash: string | undefined,
  usable: boolean,
): Promise<void> {
  logins.check(attempt)
  const matches = await passwordMatches(secret, hash)
  logins.check(attempt)
  if (!matches || !usable) {
    logins.failed(attempt)
    throw unauthorized()
  }
  logins.succeeded(attempt)
}

/** Errors: 400, 401, 429. */
export async function byPassword(
  ctx: IdentityContext,
  ref: z.output<typeof userRef>,
  source: string,
): Promise<Identified> {
  const user = await findUser(ctx, ref)
  const attempt = attemptOf(ref, user, source)
  await proven(ctx, attempt, ref.password, user?.password_hash || undefined, user?.usable ?? false)
  if (!user) throw unauthorized()
  return {
    userId: user.id,
    defaultProjectId: user.default_project_id,
    methods: ['password'],
    expiresAt: undefined,
    parentAuditId: null,
    applicationCredential: undefined,
  }
}

async function findUser({ database }: IdentityContext, ref: z.output<typeof whoRef>) {
  if (ref.id === undefined && (ref.name === undefined || ref.domain === undefined))
    throw notUnderstood('Expecting to find id, or name and domain, in user.')
  let query = database.kysely
    .selectFrom('users')
    .innerJoin('domains', 'domains.id', 'users.domain_id')
    .select(['users.id', 'users.password_hash', 'users.enabled', 'users.default_project_id', 'users.options'])
    .select('domains.enabled as domain_enabled')
  if (ref.id !== undefined) query = query.where('users.id', '=', ref.id)
  else query = query.where('users.name', '=', ref.name ?? '').where(inDomain(ref.domain))
  const user = await query.executeTakeFirst()
  return user && { ...user, usable: user.enabled === 1 && user.domain_enabled === 1 }
}

const attemptOf = (
  ref: z.output<typeof whoRef>,
  user: { readonly id: string; readonly options: string } | undefined,
  source: string,
): Attempt => ({
  user: (user?.id ?? ref.id ?? `${ref.domain?.id ?? ref.domain?.name}/${ref.name}`).slice(0, 512),
  source,
  neverLocked:
    (JSON.parse(user?.options ?? '{}') as Record<string, unknown>)['ignore_lockout_failure_attempts'] === true,
})

async function byApplicationCredential(
  ctx: IdentityContext,
  { id, name, user: ref, secret }: z.output<typeof credentialRef>,
  source: string,
): Promise<Identified> {
  if (id === undefined && (name === undefined || ref === undefined))
    throw notUnderstood('Expecting to find id, or name and user, in application_credential.')
  const { kysely } = ctx.database
  let query = kysely.selectFrom('application_credentials').selectAll()
  if (id !== undefined) query = query.where('id', '=', id)
  else query = query.where('name', '=', name ?? '').where('user_id', '=', (await findUser(ctx, ref ?? {}))?.id ?? '')
  const found = await query.executeTakeFirst()
  const owner = found && (await findUser(ctx, { id: found.user_id }))
  const alive = found !== undefined && (found.expires_at === null || found.expires_at > ctx.clock.now())
  const attempt = {
    user: found?.id ?? id ?? `${ref?.id ?? ref?.name}/${name}`.slice(0, 512),
    source,
    neverLocked: false,
  }
  await proven(ctx, attempt, secret, found?.secret_hash, alive && (owner?.usable ?? false))
  if (!found) throw unauthorized()
  return {
    userId: found.user_id,
    defaultProjectId: null,
    methods: ['application_credential'],
    expiresAt: found.expires_at ?? undefined,
    parentAuditId: null,
    applicationCredential: { id: found.id, projectId: found.project_id },
  }
}

async function byToken({ database, clock }: IdentityContext, id: string): Promise<Identified> {
  const token = await findToken(database.kysely, id, clock.now())
  if (!token) throw unauthorized()
  if (token.applicationCredentialId !== null)
    throw refusedAction('Using a delegated token to create another token is not allowed')
  return {
    userId: token.userId,
    defaultProjectId: null,
    methods: ['token', ...token.methods.filter((method) => method !== 'token')],
    expiresAt: token.expiresAt,
    parentAuditId: token.parentAuditId ?? token.auditId,
    applicationCredential: undefined,
  }
}

const NOWHERE: Scope = { projectId: null, domainId: null, system: false }

/** The scope asked for, if the user has a role there. Without one: the user's default project, or none. Errors: 401. */
export async function scopeOf(ctx: IdentityContext, { scope }: Auth, user: Identified): Promise<Scope> {
  if (user.applicationCredential) {
    if (scope !== undefined)
      throw new Fault(401, 'An application credential is for its own project: no scope can be asked for with it.')
    return { ...NOWHERE, projectId: user.applicationCredential.projectId }
  }
  if (scope === undefined) {
    const id = user.defaultProjectId
    const ready = id !== null && (await usableProject(ctx, { id }))
    return ready && (await holds(ctx, user, { kind: 'project', id })) ? { ...NOWHERE, projectId: id } : NOWHERE
  }
  if (scope === 'unscoped' || scope.unscoped) return NOWHERE
  if (scope.project) {
    const id = await usableProject(ctx, scope.project)
    if (id === undefined || !(await holds(ctx, user, { kind: 'project', id }))) throw unauthorized()
    return { ...NOWHERE, projectId: id }
  }
  if (scope.system) {
    if (!(await holds(ctx, user, SYSTEM))) throw unauthorized()
    return { ...NOWHERE, system: true }
  }
  if (!scope.domain) throw unauthorized()
  const domain = await ctx.database.kysely
    .selectFrom('domains')
    .select('id')
    .where('enabled', '=', 1)
    .where(inDomain(scope.domain))
    .executeTakeFirst()
  if (!domain || !(await holds(ctx, user, { kind: 'domain', id: domain.id }))) throw unauthorized()
  return { ...NOWHERE, domainId: domain.id }
}

/** The id of an enabled project of an enabled domain. */
async function usableProject(
  { database }: IdentityContext,
  { id, name, domain }: z.output<typeof whoRef>,
): Promise<string | undefined> {
  if (id === undefined && (name === undefined || domain === undefined))
    throw notUnderstood('Expecting to find id, or name and domain, in project.')
  let query = database.kysely
    .selectFrom('projects')
    .innerJoin('domains', 'domains.id', 'projects.domain_id')
    .select('projects.id')
    .where('projects.enabled', '=', 1)
    .where('domains.enabled', '=', 1)
  if (id !== undefined) query = query.where('projects.id', '=', id)
  else query = query.where('projects.name', '=', name ?? '').where(inDomain(domain))
  return (await query.executeTakeFirst())?.id
}

const holds = async ({ database }: IdentityContext, { userId }: Identified, target: Target): Promise<boolean> =>
  (await rolesOn(database.kysely, userId, target)).length > 0

/** `domains.id = …` or `domains.name = …`; a reference that says neither matches nothing. */
const inDomain = (ref: z.output<typeof domainRef> | undefined) => (eb: ExpressionBuilder<IdentityTables, 'domains'>) =>
  ref?.id !== undefined ? eb('domains.id', '=', ref.id) : eb('domains.name', '=', ref?.name ?? '')
