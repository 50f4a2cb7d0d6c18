/** From a request for a token to a user and a scope. Every way to fail is the same 401, and takes the same time. */
import type { ExpressionBuilder } from 'kysely'
import { z } from 'zod'
import { parsed } from '../openstack/body.ts'
import { unauthorized } from '../openstack/fault.ts'
import type { IdentityContext } from './context.ts'
import { notUnderstood } from './errors.ts'
import { passwordMatches } from './password.ts'
import { rolesOn } from './store/assignments.ts'
import type { IdentityTables } from './store/tables.ts'
import { findToken } from './store/tokens.ts'

const domainRef = z.object({ id: z.string().optional(), name: z.string().optional() })
const userRef = z.object({
  id: z.string().optional(),
  name: z.string().optional(),
  domain: domainRef.optional(),
  password: z.string(),
})
const body = z.object({
  auth: z.object({
    identity: z.object({
      methods: z.array(z.string()).min(1).max(4),
      password: z.object({ user: userRef }).optional(),
      token: z.object({ id: z.string() }).optional(),
    }),
    scope: z
      .union([
        z.literal('unscoped'),
        z.object({
          project: z
            .object({ id: z.string().optional(), name: z.string().optional(), domain: domainRef.optional() })
            .optional(),
          domain: domainRef.optional(),
          system: z.looseObject({}).optional(),
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
  /** Of a token that was shown instead of a password: the new one lives no longer. */
  readonly expiresAt: number | undefined
  readonly parentAuditId: string | null
}

export interface Scope {
  readonly projectId: string | null
  readonly domainId: string | null
}

export const parseAuth = (value: unknown): Auth => parsed(body, value).auth

/** Errors: 400 for a method we do not have, 401. */
export async function identify(ctx: IdentityContext, { identity }: Auth): Promise<Identified> {
  const found: Identified[] = []
  for (const method of new Set(identity.methods)) {
    if (method === 'password' && identity.password) found.push(await byPassword(ctx, identity.password.user))
    else if (method === 'token' && identity.token) found.push(await byToken(ctx, identity.token.id))
    else
      throw ['password', 'token'].includes(method)
        ? notUnderstood(`Expecting to find ${method} in identity.`)
        : unauthorized()
  }
  const [first, ...others] = found
  if (!first || others.some(({ userId }) => userId !== first.userId)) throw unauthorized()
  return {
    ...first,
    methods: [...new Set(found.flatMap(({ methods }) => methods))],
    expiresAt: found.find(({ expiresAt }) => expiresAt !== undefined)?.expiresAt,
    parentAuditId: found.find(({ parentAuditId }) => parentAuditId !== null)?.parentAuditId ?? null,
  }
}

async function byPassword({ database }: IdentityContext, ref: z.output<typeof userRef>): Promise<Identified> {
  if (ref.id === undefined && (ref.name === undefined || ref.domain === undefined))
    throw notUnderstood('Expecting to find id, or name and domain, in user.')
  let query = database.kysely
    .selectFrom('users')
    .innerJoin('domains', 'domains.id', 'users.domain_id')
    .select([
      'users.id',
      'users.password_hash',
      'users.enabled',
      'users.default_project_id',
      'domains.enabled as domain_enabled',
    ])
  if (ref.id !== undefined) query = query.where('users.id', '=', ref.id)
  else query = query.where('users.name', '=', ref.name ?? '').where(inDomain(ref.domain))
  const user = await query.executeTakeFirst()
  const matches = await passwordMatches(ref.password, user?.password_hash)
  if (!user || !matches || !user.enabled || !user.domain_enabled) throw unauthorized()
  return {
    userId: user.id,
    defaultProjectId: user.default_project_id,
    methods: ['password'],
    expiresAt: undefined,
    parentAuditId: null,
  }
}

async function byToken({ database, clock }: IdentityContext, id: string): Promise<Identified> {
  const token = await findToken(database.kysely, id, clock.now())
  if (!token) throw unauthorized()
  return {
    userId: token.userId,
    defaultProjectId: null,
    methods: ['token', ...token.methods],
    expiresAt: token.expiresAt,
    parentAuditId: token.parentAuditId ?? token.auditId,
  }
}

/** The scope asked for, if the user has a role there. Without one: the user's default project, or none. Errors: 401. */
export async function scopeOf(ctx: IdentityContext, { scope }: Auth, user: Identified): Promise<Scope> {
  const none = { projectId: null, domainId: null }
  if (scope === undefined) {
    const ready = user.defaultProjectId !== null && (await holds(ctx, user.userId, user.defaultProjectId))
    return ready ? { projectId: user.defaultProjectId, domainId: null } : none
  }
  if (scope === 'unscoped' || scope.unscoped) return none
  const { kysely } = ctx.database
  if (scope.project) {
    const { id, name, domain } = scope.project
    if (id === undefined && (name === undefined || domain === undefined))
      throw notUnderstood('Expecting to find id, or name and domain, in project.')
    let query = kysely
      .selectFrom('projects')
      .innerJoin('domains', 'domains.id', 'projects.domain_id')
      .select('projects.id')
      .where('projects.enabled', '=', 1)
      .where('domains.enabled', '=', 1)
    if (id !== undefined) query = query.where('projects.id', '=', id)
    else query = query.where('projects.name', '=', name ?? '').where(inDomain(domain))
    const project = await query.executeTakeFirst()
    if (!project || !(await holds(ctx, user.userId, project.id))) throw unauthorized()
    return { projectId: project.id, domainId: null }
  }
  if (!scope.domain) throw unauthorized()
  const domain = await kysely
    .selectFrom('domains')
    .select('id')
    .where('enabled', '=', 1)
    .where(inDomain(scope.domain))
    .executeTakeFirst()
  if (!domain || !(await holds(ctx, user.userId, domain.id))) throw unauthorized()
  return { projectId: null, domainId: domain.id }
}

const holds = async ({ database }: IdentityContext, userId: string, targetId: string): Promise<boolean> =>
  (await rolesOn(database.kysely, userId, targetId)).length > 0

/** `domains.id = …` or `domains.name = …`; a reference that says neither matches nothing. */
const inDomain = (ref: z.output<typeof domainRef> | undefined) => (eb: ExpressionBuilder<IdentityTables, 'domains'>) =>
  ref?.id !== undefined ? eb('domains.id', '=', ref.id) : eb('domains.name', '=', ref?.name ?? '')
