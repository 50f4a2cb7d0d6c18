/** One request through one operation: who, which version, is it well formed, what does it name, may they, do it, show it. */
import { newRequestId } from '@kilonova/base/context.ts'
import { parseJson } from '@kilonova/base/http/json.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { byMinor, MAX_MINOR, MIN_MINOR, minorOf, type VersionTable } from '../domain/microversion.ts'
import type { Target } from '../policy/policy.ts'
import { authenticate } from './authenticate.ts'
import type { ApiReach, Asker, At, Ctx } from './context.ts'
import { badRequest, faultBody, faultOf, notFound, UNAUTHORIZED_BODY, ApiFault } from './faults.ts'
import { invalid } from './invalid.ts'
import { negotiate, versionHeaders } from './negotiate.ts'
import { placeOf } from './place.ts'
import type { AnyOperation, Schemas, View } from './resource.ts'

export type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>

const JSON_TYPE = 'application/json'
/** `GET /servers?unknown=…`: nobody minded before 2.102. */
const NO_QUERY: VersionTable<z.ZodType> = { '2.1': z.unknown(), '2.102': z.strictObject({}) }

const isSchema = (schemas: Schemas): schemas is z.ZodType => 'safeParse' in schemas
const schemaAt = (schemas: Schemas | undefined) =>
  schemas === undefined ? () => undefined : byMinor(isSchema(schemas) ? { '2.1': schemas } : schemas)
const viewAt = (views: AnyOperation['view']): ((minor: number) => View<unknown> | undefined) =>
  typeof views === 'function' ? () => views : byMinor(views ?? {})

function parse(schema: z.ZodType | undefined, value: unknown, what: 'field/attribute' | 'query parameters'): unknown {
  if (!schema) return undefined
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw badRequest(invalid(result.error, value, what))
}

/** The request id is the first thing a request gets and the last thing its answer tells. */
export function begin(request: FastifyRequest, reply: FastifyReply): string {
  const id = newRequestId()
  request.id = id
  void reply.header('x-compute-request-id', id).header('x-openstack-request-id', id)
  return id
}

export function failed(
  reach: Pick<ApiReach, 'log' | 'config'>,
  reply: FastifyReply,
  error: unknown,
  requestId: string,
): FastifyReply {
  const fault = faultOf(error)
  if (fault.status >= 500) reach.log.error('request failed', { requestId, error: fault.cause ?? fault })
  void reply.code(fault.status).headers(fault.headers).type(JSON_TYPE)
  // That of who is not known is answered by what stands before every service upstream.
  if (fault.status !== 401 || error instanceof ApiFault) return reply.send(faultBody(fault))
  const { www_authenticate_uri: uri, auth_url: url } = reach.config.keystone_authtoken
  return reply.header('www-authenticate', `Keystone uri="${uri ?? url}"`).send(UNAUTHORIZED_BODY)
}

const callers = new WeakMap<FastifyRequest, Asker>()
/** Who sent a request, once that is known: for the log. */
export const callerOf = (request: FastifyRequest): Asker | undefined => callers.get(request)

export function handler(reach: ApiReach, operation: AnyOperation): Handler {
  const { since = '2.1', until, status = 200, policy: rule } = operation
  const from = minorOf(since)
  const to = until === undefined ? MAX_MINOR : minorOf(until)
  const statusAt = byMinor(typeof status === 'number' ? { '2.1': status } : status)
  const bodyAt = schemaAt(operation.body)
  const queryAt = schemaAt(operation.query ?? NO_QUERY)
  const viewOf = viewAt(operation.view)

  async function answer(request: FastifyRequest, reply: FastifyReply, requestId: string): Promise<FastifyReply> {
    const place = placeOf(request)
    const caller = await authenticate(reach, request.headers['x-auth-token'], requestId)
    callers.set(request, caller)
    const minor = place.legacy ? MIN_MINOR : negotiate(request.headers)
    void reply.headers(versionHeaders(minor))
    const { project_id: project, ...params } = request.params as Record<string, string>
    if (project !== undefined && project !== caller.projectId)
      throw badRequest(
        `Malformed request URL: URL's project_id '${project}' doesn't match Context's project_id '${caller.projectId}'`,
      )
    if (minor < from || minor > to) throw notFound()
    const at: At = { ...place, minor, allows: (name, target) => reach.policy.allows(name, caller, target) }
    let status = statusAt(minor) ?? 200
    const ctx: Ctx = {
      ...reach,
      caller,
      params,
      at,
      check: (name, target) => reach.policy.check(name, caller, target),
      atVersion: (table) => byMinor(table)(minor),
      setHeader: (name, value) => void reply.header(name, value),
      setStatus: (other) => void (status = other),
    }

    const body = parse(bodyAt(minor), bodyAt(minor) && bodyOf(request), 'field/attribute')
    const query = parse(queryAt(minor), request.query, 'query parameters')
    const target = await operation.target?.(ctx)
    if (rule !== 'by the body' && rule !== 'none') reach.policy.check(rule, caller, target as Target | undefined)
    const result = await operation.run(ctx, { body, query, target })
    const show = viewOf(minor)
    const seen = show && (await show(result, at))
    void reply.code(status).type(JSON_TYPE)
    if (seen === undefined) return reply.send('')
    return reply.send(typeof seen === 'string' || Buffer.isBuffer(seen) ? seen : JSON.stringify(seen))
  }

  return async (request, reply) => {
    const requestId = begin(request, reply)
    return answer(request, reply, requestId).catch((error: unknown) => failed(reach, reply, error, requestId))
  }
}

/** JSON as it was sent. Errors: ApiFault 400, 415. */
function bodyOf(request: FastifyRequest): unknown {
  const type = request.headers['content-type']
  if (type !== undefined && !/^application\/([\w.+-]*\+)?json\b/i.test(type))
    throw new ApiFault(415, `Unsupported Content-Type`)
  const text = request.body
  if (typeof text !== 'string' || text === '') throw badRequest('Malformed request body')
  try {
    return parseJson(text)
  } catch {
    throw badRequest('Malformed request body')
  }
}
