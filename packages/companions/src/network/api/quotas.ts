/** `/v2.0/quotas`: read by the project itself, written by admins. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { owns, privileged, type Caller } from '../../openstack/caller.ts'
import { withCaller } from '../../openstack/token-check.ts'
import type { NetworkContext } from '../context.ts'
import { disallowed, quotaBelowUsage } from '../errors.ts'
import {
  defaultLimits,
  limitsOf,
  projectsWithLimits,
  QUOTA_RESOURCES,
  resetLimits,
  setLimits,
  UNLIMITED,
  usageOf,
  type Limits,
  type QuotaResource,
} from '../store/quotas.ts'
import { bodyOf, flag } from './fields.ts'

const MAX_LIMIT = 2_147_483_647
const limit = z.coerce.number().int().min(UNLIMITED).max(MAX_LIMIT).optional()
const changes = z.strictObject({
  ...(Object.fromEntries(QUOTA_RESOURCES.map((resource) => [resource, limit])) as Record<QuotaResource, typeof limit>),
  force: flag.optional(),
  check_limit: flag.optional(),
})

export function quotaRoutes(app: FastifyInstance, { check, database }: NetworkContext): void {
  const { kysely } = database
  const projectOf = (request: FastifyRequest) => (request.params as { project: string }).project
  const mustSee = (caller: Caller, project: string): void => {
    if (!owns(caller, project)) throw disallowed('get_quota')
  }
  const mustChange = (caller: Caller, verb: string): void => {
    if (!caller.admin) throw disallowed(`${verb}_quota`)
  }
  const path = '/v2.0/quotas/:project'

  app.get(
    '/v2.0/quotas',
    withCaller(check, async (caller) => {
      if (!privileged(caller)) throw disallowed('get_quota')
      const quotas: (Limits & { project_id: string; tenant_id: string })[] = []
      for (const id of await projectsWithLimits(kysely))
        quotas.push({ ...(await limitsOf(kysely, id)), project_id: id, tenant_id: id })
      return { quotas }
    }),
  )
  for (const name of ['project', 'tenant'])
    app.get(
      `/v2.0/quotas/${name}`,
      withCaller(check, (caller) => ({ [name]: { [`${name}_id`]: caller.projectId } })),
    )
  app.get(
    path,
    withCaller(check, async (caller, request) => {
      mustSee(caller, projectOf(request))
      return { quota: await limitsOf(kysely, projectOf(request)) }
    }),
  )
  app.get(
    `${path}/default`,
    withCaller(check, (caller, request) => {
      mustSee(caller, projectOf(request))
      return { quota: defaultLimits() }
    }),
  )
  const details = withCaller(check, async (caller, request) => {
    const project = projectOf(request)
    mustSee(caller, project)
    const [limits, used] = [await limitsOf(kysely, project), await usageOf(kysely, project)]
    const quota = QUOTA_RESOURCES.map((name) => [name, { limit: limits[name], used: used[name], reserved: 0 }] as const)
    return { quota: Object.fromEntries(quota) }
  })
  app.get(`${path}/details`, details)
  app.get(`${path}/details.json`, details)
  app.put(
    path,
    withCaller(check, async (caller, request) => {
      mustChange(caller, 'update')
      const project = projectOf(request)
      const { force, check_limit: _, ...limits } = bodyOf('quota', changes, request.body)
      if (force !== true) {
        const used = await usageOf(kysely, project)
        for (const name of QUOTA_RESOURCES) {
          const wanted = limits[name]
          if (wanted !== undefined && wanted !== UNLIMITED && wanted < used[name])
            throw quotaBelowUsage(name, wanted, used[name])
        }
      }
      await setLimits(kysely, project, limits)
      return { quota: await limitsOf(kysely, project) }
    }),
  )
  app.delete(
    path,
    withCaller(check, async (caller, request, reply) => {
      mustChange(caller, 'delete')
      await resetLimits(kysely, projectOf(request))
      return reply.code(204).send()
    }),
  )
}
