/**
 * Roles given: `/v3/{projects|domains}/{id}/{users|groups}/{id}/roles/{id}`, the same under `/v3/OS-INHERIT/…/inherited_to_projects`
 * for what holds below, and `/v3/system/{users|groups}/{id}/roles/{id}`.
 *
 * A domain's manager gives roles to the domain's users and groups on the domain and its projects. Role `admin` is the whole
 * cloud's: only its administrators give it.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { audit } from '../audit.ts'
import { authenticated, type IdentityContext } from '../context.ts'
import { notFound, refusedAction } from '../errors.ts'
import { mayManage, maySee, must, type Holder } from '../policy.ts'
import type { ActorKind, TargetKind } from '../store/tables.ts'
import { collection } from './collection.ts'
import { roleView } from './views.ts'

interface Kind {
  readonly actor: ActorKind
  readonly target: TargetKind
  readonly inherited: boolean
}

const TABLES = { user: 'users', group: 'groups' } as const

export function grantRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  for (const actor of ['user', 'group'] as const) {
    for (const target of ['project', 'domain'] as const) {
      const path = `${target}s/:target/${actor}s/:actor/roles`
      grant(app, ctx, { actor, target, inherited: false }, `/v3/${path}`, '')
      grant(app, ctx, { actor, target, inherited: true }, `/v3/OS-INHERIT/${path}`, '/inherited_to_projects')
    }
    grant(app, ctx, { actor, target: 'system', inherited: false }, `/v3/system/${actor}s/:actor/roles`, '')
  }
}

type Params = { target?: string; actor: string; role: string }

function grant(app: FastifyInstance, ctx: IdentityContext, kind: Kind, path: string, suffix: string): void {
  const { kysely } = ctx.database
  const word = kind.target === 'system' ? `system_grant_for_${kind.actor}` : 'grant'

  /** Both ends are there. Errors: 403, 404. */
  const ends = async (
    caller: Holder,
    request: FastifyRequest,
    action: string,
    may: (caller: Holder, domainId?: string | null) => boolean,
  ) => {
    const { actor, target = 'system' } = request.params as Params
    const targetDomain =
      kind.target === 'system'
        ? null
        : kind.target === 'domain'
          ? (await kysely.selectFrom('domains').select('id').where('id', '=', target).executeTakeFirst())?.id
          : (await kysely.selectFrom('projects').select('domain_id').where('id', '=', target).executeTakeFirst())
              ?.domain_id
    const found = await kysely
      .selectFrom(TABLES[kind.actor])
      .select('domain_id')
      .where('id', '=', actor)
      .executeTakeFirst()
    must(may(caller) || (may(caller, targetDomain) && may(caller, found?.domain_id)), action)
    if (targetDomain === undefined) throw notFound(kind.target, target)
    if (!found) throw notFound(kind.actor, actor)
    return { actor, target, domainId: targetDomain }
  }
  const held = (actor: string, target: string) =>
    kysely
      .selectFrom('assignments')
      .innerJoin('roles', 'roles.id', 'assignments.role_id')
      .selectAll('roles')
      .where('actor_kind', '=', kind.actor)
      .where('actor_id', '=', actor)
      .where('target_kind', '=', kind.target)
      .where('target_id', '=', target)
      .where('inherited', '=', Number(kind.inherited))
      .orderBy('roles.name')
      .execute()
  /** Errors: 404. */
  const role = async (id: string) => {
    const row = await kysely.selectFrom('roles').selectAll().where('id', '=', id).executeTakeFirst()
    if (!row) throw notFound('role', id)
    return row
  }
  const done = (
    caller: Holder,
    request: FastifyRequest,
    reply: FastifyReply,
    event: string,
    actor: string,
    target: string,
  ) => {
    ctx.revocations.tell(kind.actor === 'user' ? { userId: actor } : {})
    const { role: roleId } = request.params as Params
    const facts = { role: roleId, [kind.target]: target, inherited: kind.inherited }
    audit(ctx, request, { event, outcome: 'success', actor: caller.token.userId, target: actor, facts })
    return reply.code(204).send()
  }

  app.get(
    `${path}${suffix}`,
    authenticated(ctx, async (caller, request) => {
      const { actor, target } = await ends(caller, request, `list_${word}s`, maySee)
      const rows = await held(actor, target)
      return collection(
        request,
        'roles',
        rows.map((row) => roleView(request, row)),
      )
    }),
  )
  app.get(
    `${path}/:role${suffix}`,
    authenticated(ctx, async (caller, request, reply) => {
      const { actor, target } = await ends(caller, request, `check_${word}`, maySee)
      const { id } = await role((request.params as Params).role)
      if (!(await held(actor, target)).some((row) => row.id === id)) throw notGiven(id, actor, target)
      return reply.code(204).send()
    }),
  )
  app.put(
    `${path}/:role${suffix}`,
    authenticated(ctx, async (caller, request, reply) => {
      const { actor, target, domainId } = await ends(caller, request, `create_${word}`, mayManage)
      const { id, domain_id: roleDomain } = await role((request.params as Params).role)
      must(caller.admin || !(await isAdmin(ctx, id)), `create_${word}`)
      if (kind.target === 'project' && roleDomain !== null && roleDomain !== domainId)
        throw refusedAction(`Role ${id} is of another domain than ${kind.target} ${target}`)
      await kysely
        .insertInto('assignments')
        .values({
          actor_kind: kind.actor,
          actor_id: actor,
          target_kind: kind.target,
          target_id: target,
          role_id: id,
          inherited: Number(kind.inherited),
        })
        .onConflict((there) => there.doNothing())
        .execute()
      return done(caller, request, reply, 'give role', actor, target)
    }),
  )
  app.delete(
    `${path}/:role${suffix}`,
    authenticated(ctx, async (caller, request, reply) => {
      const { actor, target } = await ends(caller, request, `revoke_${word}`, mayManage)
      const { id } = await role((request.params as Params).role)
      must(caller.admin || !(await isAdmin(ctx, id)), `revoke_${word}`)
      const gone = await kysely
        .deleteFrom('assignments')
        .where('actor_kind', '=', kind.actor)
        .where('actor_id', '=', actor)
        .where('target_kind', '=', kind.target)
        .where('target_id', '=', target)
        .where('role_id', '=', id)
        .where('inherited', '=', Number(kind.inherited))
        .returning('role_id')
        .executeTakeFirst()
      if (!gone) throw notGiven(id, actor, target)
      return done(caller, request, reply, 'take role', actor, target)
    }),
  )
}

const notGiven = (roleId: string, actor: string, target: string) =>
  notFound('role assignment with role', `${roleId}, user or group: ${actor}, project, domain, or system: ${target}`)

/** Is it `admin`? No role implies that one. */
const isAdmin = async ({ database }: IdentityContext, id: string): Promise<boolean> => {
  const row = await database.kysely
    .selectFrom('roles')
    .select(['name', 'domain_id'])
    .where('id', '=', id)
    .executeTakeFirst()
  return row?.name === 'admin' && row.domain_id === null
}
