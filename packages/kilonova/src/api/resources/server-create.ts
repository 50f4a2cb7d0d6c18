/** Create servers: everything that can be known to be wrong is said before anything is written; then one transaction admits them all. */
import { randomBytes } from 'node:crypto'
import { newId } from '@kilonova/base/clock.ts'
import { admitCreate } from '../../actions/admit.ts'
import { quotaLimits } from '../../db/quotas.ts'
import { usedByProject, type NewServer } from '../../db/servers.ts'
import { NovaError } from '../../domain/errors.ts'
import type { Flavor } from '../../domain/flavor.ts'
import { hostnameOf, numberedHostname } from '../../domain/hostname.ts'
import type { Ctx } from '../context.ts'
import { badRequest } from '../faults.ts'
import { post, selfLinks } from '../resource.ts'
import { createBodies, type CreateRequest } from './server-create-body.ts'
import { bootImage, destination, flavorFor, hintsOf, keyFor, nics, securityGroups } from './server-create-checks.ts'

interface Created {
  readonly id: string
  readonly adminPass: string
  readonly reservationId: string
  readonly onlyReservation: boolean
  readonly securityGroups: readonly string[]
  readonly diskConfig: string
}

/** One request makes no more than this many. */
const MOST_AT_ONCE = 1_000
const LETTERS = 'abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789'
const randomText = (length: number): string =>
  Array.from(randomBytes(length), (byte) => LETTERS[byte % LETTERS.length]).join('')

function counts({ min_count, max_count }: CreateRequest['server']): { least: number; most: number } {
  const least = min_count ?? 1
  const most = max_count ?? least
  if (least > most) throw badRequest('min_count must be <= max_count')
  if (most > MOST_AT_ONCE) throw badRequest(`max_count must be <= ${MOST_AT_ONCE}`)
  return { least, most }
}

/** As many as the quota has room for, at least `least`: then it is the admission that refuses. */
async function fitting(
  { db, caller }: Ctx,
  { least, most }: { least: number; most: number },
  flavor: Flavor,
  limits: { instances: number; cores: number; ram: number },
): Promise<number> {
  if (least === most) return least
  const used = await usedByProject(db, caller.projectId)
  const room = [
    limits.instances < 0 ? most : limits.instances - used.instances,
    limits.cores < 0 ? most : Math.floor((limits.cores - used.cores) / flavor.vcpus),
    limits.ram < 0 ? most : Math.floor((limits.ram - used.ram) / flavor.memoryMb),
  ]
  return Math.max(least, Math.min(most, ...room))
}

async function create(ctx: Ctx, body: CreateRequest): Promise<Created> {
  const { server } = body
  const { db, caller, config } = ctx
  const { least, most } = counts(server)
  const hints = hintsOf(body)
  const flavor = await flavorFor(ctx, server.flavorRef)
  const limits = await quotaLimits(db, caller.projectId, config.quota)
  if (limits.metadata_items >= 0 && Object.keys(server.metadata ?? {}).length > limits.metadata_items)
    throw new NovaError('MetadataLimitExceeded', { allowed: limits.metadata_items })
  const [image, key, place, interfaces, groups] = [
    await bootImage(ctx, server, flavor),
    await keyFor(ctx, server.key_name),
    await destination(ctx, server),
    await nics(ctx, server.networks, most),
    await securityGroups(ctx, server.security_groups),
  ]
  const count = await fitting(ctx, { least, most }, flavor, limits)
  const now = ctx.clock.now()
  const reservationId = `r-${randomText(8).toLowerCase()}`
  const made = Array.from({ length: count }, (_, index): NewServer => {
    const id = newId()
    const name = most > 1 ? `${server.name}-${index + 1}` : server.name
    const asked = server.hostname
    return {
      id,
      name,
      description: server.description || null,
      hostname: asked === undefined ? hostnameOf(name, id) : most > 1 ? numberedHostname(asked, index + 1) : asked,
      projectId: caller.projectId,
      userId: caller.userId,
      vmState: 'building',
      taskState: 'scheduling',
      powerState: 'nostate',
      availabilityZone: place.zone,
      pinnedZone: place.zone,
      schedulerHints: hints,
      flavor,
      image,
      keyName: key?.name ?? null,
      keyType: key?.type ?? null,
      publicKey: key?.publicKey ?? null,
      userData: server.user_data ?? null,
      bootRoles: [...caller.roles].toSorted(),
      configDrive: server.config_drive ?? image.properties['img_config_drive'] === 'mandatory',
      metadata: server.metadata ?? {},
      tags: [...new Set(server.tags)].toSorted(),
      requestedNics: interfaces,
      securityGroups: groups.names,
      accessIpV4: server.accessIPv4 || null,
      accessIpV6: server.accessIPv6 || null,
      diskConfig: server['OS-DCF:diskConfig'] ?? 'AUTO',
      reservationId,
      launchIndex: index,
      rootDeviceName: '/dev/vda',
      createdAt: now,
    }
  })
  await admitCreate(ctx, caller, made, { onlyHost: place.onlyHost, securityGroupIds: [...groups.ids] }, limits)
  const [first] = made
  if (!first) throw badRequest('min_count must be >= 1')
  ctx.setHeader('location', `${ctx.at.base}/servers/${first.id}`)
  return {
    id: first.id,
    adminPass: server.adminPass ?? randomText(12),
    reservationId,
    onlyReservation: server.return_reservation_id ?? false,
    securityGroups: groups.names,
    diskConfig: first.diskConfig,
  }
}

export const serverCreate = [
  post('/servers', {
    policy: 'os_compute_api:servers:create',
    status: 202,
    body: createBodies,
    run: (ctx, { body }) => create(ctx, body),
    view: (created, at) =>
      created.onlyReservation
        ? { reservation_id: created.reservationId }
        : {
            server: {
              id: created.id,
              links: selfLinks(at, 'servers', created.id),
              'OS-DCF:diskConfig': created.diskConfig,
              security_groups: created.securityGroups.map((name) => ({ name })),
              adminPass: created.adminPass,
            },
          },
  }),
]
