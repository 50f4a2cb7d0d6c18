/** `/v2.0/{noun}/{id}/tags`: read by who sees the thing, written by who owns it. */
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { parsed } from '../../openstack/body.ts'
import { mustWrite, owns, privileged, type Caller } from '../../openstack/caller.ts'
import { strings } from '../../openstack/json-column.ts'
import { notFound } from '../../openstack/fault.ts'
import { withCaller } from '../../openstack/token-check.ts'
import type { NetworkContext } from '../context.ts'
import { disallowed, missing, type Noun } from '../errors.ts'
import { findFloatingIp } from '../store/floating-ips.ts'
import { findNetwork, findSubnet } from '../store/networks.ts'
import { findPort } from '../store/ports.ts'
import { findRouter } from '../store/routers.ts'
import { findGroup } from '../store/security-groups.ts'
import { addTags, removeTags } from '../store/tags.ts'
import { tags } from './fields.ts'
import { isReserved, mustMayTag } from './reserved-tags.ts'

interface Tagged {
  readonly project_id: string
  readonly tags: string
}

export function tagRoutes(app: FastifyInstance, ctx: NetworkContext): void {
  const { kysely, kind } = ctx.database
  tagsOf(app, ctx, 'networks', 'Network', (caller, id) => findNetwork(kysely, kind, caller, id))
  tagsOf(app, ctx, 'subnets', 'Subnet', (caller, id) => findSubnet(kysely, kind, caller, id))
  tagsOf(app, ctx, 'ports', 'Port', (caller, id) => findPort(kysely, kind, caller, id))
  tagsOf(app, ctx, 'security-groups', 'SecurityGroup', (caller, id) => findGroup(kysely, kind, caller, id))
  tagsOf(app, ctx, 'routers', 'Router', (caller, id) => findRouter(kysely, kind, caller, id))
  tagsOf(app, ctx, 'floatingips', 'FloatingIP', (caller, id) => findFloatingIp(kysely, kind, caller, id))
}

function tagsOf(
  app: FastifyInstance,
  ctx: NetworkContext,
  many: string,
  noun: Noun,
  find: (caller: Caller, id: string) => Promise<Tagged | undefined>,
): void {
  const { kysely } = ctx.database
  const path = `/v2.0/${many}/:id/tags`
  type Params = { id: string; tag: string }

  const visible = async (caller: Caller, id: string): Promise<readonly string[]> => {
    const found = await find(caller, id)
    if (!found) throw missing(noun, id)
    return strings(found.tags)
  }
  const own = async (caller: Caller, id: string): Promise<readonly string[]> => {
    mustWrite(caller)
    const found = await find(caller, id)
    if (!found) throw missing(noun, id)
    if (!owns(caller, found.project_id)) throw disallowed(`update_${many}_tags`)
    return strings(found.tags)
  }

  /** Hosts read some tags of networks. */
  const changed = (id: string): void => {
    if (noun === 'Network') ctx.changes.note('network', [id])
  }
  /** Reserved tags stay, whoever else writes the others. */
  const replace = async (caller: Caller, id: string, known: readonly string[], wanted: readonly string[]) => {
    const kept = privileged(caller) ? [] : known.filter(isReserved)
    await kysely.transaction().execute(async (tx) => {
      await removeTags(tx, id)
      await addTags(tx, id, [...kept, ...wanted])
    })
    changed(id)
  }

  app.get(
    path,
    withCaller(ctx.check, async (caller, request) => ({ tags: await visible(caller, (request.params as Params).id) })),
  )
  app.put(
    path,
    withCaller(ctx.check, async (caller, request) => {
      const { id } = request.params as Params
      const wanted = parsed(z.strictObject({ tags }), request.body)
      const known = await own(caller, id)
      mustMayTag(
        caller,
        wanted.tags.filter((tag) => !known.includes(tag)),
      )
      await replace(caller, id, known, wanted.tags)
      return { tags: await visible(caller, id) }
    }),
  )
  app.delete(
    path,
    withCaller(ctx.check, async (caller, request, reply) => {
      const { id } = request.params as Params
      await replace(caller, id, await own(caller, id), [])
      return reply.code(204).send()
    }),
  )
  app.get(
    `${path}/:tag`,
    withCaller(ctx.check, async (caller, request, reply) => {
      const { id, tag } = request.params as Params
      if (!(await visible(caller, id)).includes(tag)) throw notFound(`Tag ${tag} could not be found.`, 'TagNotFound')
      return reply.code(204).send()
    }),
  )
  app.put(
    `${path}/:tag`,
    withCaller(ctx.check, async (caller, request, reply) => {
      const { id, tag } = request.params as Params
      await own(caller, id)
      parsed(tags, [tag], 'InvalidInput')
      mustMayTag(caller, [tag])
      await addTags(kysely, id, [tag])
      changed(id)
      return reply.code(201).send()
    }),
  )
  app.delete(
    `${path}/:tag`,
    withCaller(ctx.check, async (caller, request, reply) => {
      const { id, tag } = request.params as Params
      await own(caller, id)
      mustMayTag(caller, [tag])
      const { numDeletedRows } = await kysely
        .deleteFrom('tags')
        .where('resource_id', '=', id)
        .where('tag', '=', tag)
        .executeTakeFirst()
      if (numDeletedRows === 0n) throw notFound(`Tag ${tag} could not be found.`, 'TagNotFound')
      changed(id)
      return reply.code(204).send()
    }),
  )
}
