/**
 * `/v3/users/{id}/application_credentials`: a user makes them for the project their token is for, with roles they hold there.
 * The secret is shown once. What a credential opens cannot make more of them, unless it was made `unrestricted`.
 */
import { randomBytes } from 'node:crypto'
import { isoMicros } from '@kilonova/base/clock.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Selectable } from 'kysely'
import { z } from 'zod'
import { last, type Query } from '../../openstack/page.ts'
import { audit } from '../audit.ts'
import { authenticated, type IdentityContext } from '../context.ts'
import { notAllowed, notFound, notUnderstood, refusedAction } from '../errors.ts'
import { hashPassword } from '../password.ts'
import { maySee, must, type Holder } from '../policy.ts'
import { rolesOfCredential } from '../store/application-credentials.ts'
import type { IdentityTables } from '../store/tables.ts'
import { collection, links } from './collection.ts'
import { framed, newId, stored } from './crud.ts'
import { description, nameField } from './fields.ts'

type Credential = Selectable<IdentityTables['application_credentials']>

const create = z.object({
  name: nameField(),
  description,
  secret: z.string().min(1).max(4096).nullish(),
  /** Without a zone it is UTC. */
  expires_at: z.iso.datetime({ offset: true, local: true }).nullish(),
  roles: z
    .array(z.object({ id: z.string().optional(), name: z.string().optional() }))
    .max(100)
    .optional(),
  unrestricted: z.boolean().optional(),
  access_rules: z.array(z.unknown()).optional(),
  project_id: z.string().optional(),
})

export function applicationCredentialRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  const { kysely } = ctx.database
  type Params = { id: string; credential: string }
  const path = '/v3/users/:id/application_credentials'

  const mustBeMine = ({ token }: Holder, id: string, action: string) => must(token.userId === id, action)
  /** The user themselves, and who sees the user's domain. */
  const mustSee = async (caller: Holder, id: string, action: string) => {
    if (caller.token.userId === id) return
    const user = await kysely.selectFrom('users').select('domain_id').where('id', '=', id).executeTakeFirst()
    must(maySee(caller, user?.domain_id), action)
    if (!user) throw notFound('user', id)
  }
  /** Errors: 404. */
  const find = async ({ id, credential }: Params): Promise<Credential> => {
    const row = await kysely
      .selectFrom('application_credentials')
      .selectAll()
      .where('id', '=', credential)
      .where('user_id', '=', id)
      .executeTakeFirst()
    if (!row) throw notFound('Application Credential', credential)
    return row
  }
  const view = async (request: FastifyRequest, row: Credential) => ({
    id: row.id,
    name: row.name,
    description: row.description,
    project_id: row.project_id,
    user_id: row.user_id,
    roles: (await rolesOfCredential(kysely, row.id)).map((role) => ({
      ...role,
      options: JSON.parse(role.options) as object,
    })),
    system: null,
    expires_at: row.expires_at === null ? null : isoMicros(row.expires_at),
    unrestricted: row.unrestricted === 1,
    ...links(request, `users/${row.user_id}/application_credentials/${row.id}`),
  })

  app.get(
    path,
    authenticated(ctx, async (caller, request) => {
      const { id } = request.params as Params
      await mustSee(caller, id, 'list_application_credentials')
      const name = last(request.query as Query, 'name')
      const rows = await kysely
        .selectFrom('application_credentials')
        .selectAll()
        .where('user_id', '=', id)
        .orderBy('name')
        .execute()
      const views = rows.filter((row) => name === undefined || row.name === name).map((row) => view(request, row))
      return collection(request, 'application_credentials', await Promise.all(views))
    }),
  )
  app.get(
    `${path}/:credential`,
    authenticated(ctx, async (caller, request) => {
      const params = request.params as Params
      await mustSee(caller, params.id, 'get_application_credential')
      return { application_credential: await view(request, await find(params)) }
    }),
  )
  app.post(
    path,
    authenticated(ctx, async (caller, request, reply) => {
      const { id } = request.params as Params
      mustBeMine(caller, id, 'create_application_credential')
      mustBeUnrestricted(caller)
      const body = framed('application_credential', create, request.body)
      const { projectId } = caller.token
      if (projectId === null) throw refusedAction('An application credential needs a token for a project')
      if (body.project_id !== undefined && body.project_id !== projectId)
        throw notAllowed('create_application_credential')
      if (body.access_rules !== undefined && body.access_rules.length > 0)
        throw notUnderstood('Access rules are not enforced by the services of this cloud, so they are not accepted.')
      const expiresAt = body.expires_at ? instant(body.expires_at) : null
      if (expiresAt !== null && expiresAt <= ctx.clock.now())
        throw notUnderstood(`An application credential cannot expire in the past: ${body.expires_at}.`)
      const roleIds = chosenRoles(caller, body.roles)
      const secret = body.secret ?? randomBytes(64).toString('base64url')
      const row: Credential = {
        id: newId(),
        name: body.name,
        user_id: id,
        project_id: projectId,
        description: body.description ?? null,
        secret_hash: await hashPassword(secret),
        unrestricted: Number(body.unrestricted ?? false),
        expires_at: expiresAt,
      }
      await stored('application_credential', body.name, () =>
        kysely.transaction().execute(async (tx) => {
          await tx.insertInto('application_credentials').values(row).execute()
          await tx
            .insertInto('application_credential_roles')
            .values(roleIds.map((role) => ({ application_credential_id: row.id, role_id: role })))
            .execute()
        }),
      )
      audit(ctx, request, {
        event: 'create application credential',
        outcome: 'success',
        actor: caller.token.userId,
        target: row.id,
      })
      return reply.code(201).send({ application_credential: { ...(await view(request, row)), secret } })
    }),
  )
  app.delete(
    `${path}/:credential`,
    authenticated(ctx, async (caller, request, reply) => {
      const params = request.params as Params
      if (!caller.admin) mustBeMine(caller, params.id, 'delete_application_credential')
      mustBeUnrestricted(caller)
      const row = await find(params)
      await kysely.deleteFrom('application_credentials').where('id', '=', row.id).execute()
      ctx.revocations.tell({ userId: row.user_id })
      audit(ctx, request, {
        event: 'delete application credential',
        outcome: 'success',
        actor: caller.token.userId,
        target: row.id,
      })
      return reply.code(204).send()
    }),
  )
  // None can be made; clients that list them get what is true.
  app.get(
    '/v3/users/:id/access_rules',
    authenticated(ctx, async (caller, request) => {
      await mustSee(caller, (request.params as Params).id, 'list_access_rules')
      return collection(request, 'access_rules', [])
    }),
  )
}

/** Errors: 403. */
function mustBeUnrestricted({ token }: Holder): void {
  if (token.applicationCredential && !token.applicationCredential.unrestricted)
    throw refusedAction(
      "You are not authorized to perform the requested action: Using method 'application_credential' is not allowed for managing additional application credentials",
    )
}

/** Some of the roles of the caller's token; all of them when none is named. Errors: 400. */
function chosenRoles(
  { roles }: Holder,
  wanted: readonly { readonly id?: string | undefined; readonly name?: string | undefined }[] | undefined,
): readonly string[] {
  const ids = (wanted ?? roles).map(({ id, name }) => {
    const found = roles.find((role) => (id === undefined ? role.name === name : role.id === id))
    if (!found)
      throw notUnderstood(`Invalid application credential: Could not find role assignment with role: ${id ?? name}.`)
    return found.id
  })
  if (ids.length === 0) throw notUnderstood('An application credential needs a role.')
  return [...new Set(ids)]
}

const instant = (text: string): number => Date.parse(/(Z|[+-]\d{2}:\d{2})$/.test(text) ? text : `${text}Z`)
