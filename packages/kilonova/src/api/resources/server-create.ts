/** Create servers: everything that can be known to be wrong is said before anything is written; then one transaction admits them all. */
import { newId } from '@kilonova/base/clock.ts'
import { admitCreate } from '../../actions/admit.ts'
import { roomFor } from '../../actions/quota.ts'
import type { CreateBody } from '../../actions/create.ts'
import { nearestLimits } from '../../db/quotas.ts'
import type { NewServer } from '../../db/servers.ts'
import { isNovaError, NovaError } from '../../domain/errors.ts'
import type { Flavor } from '../../domain/flavor.ts'
import { hostnameOf, numberedHostname } from '../../domain/hostname.ts'
import { adminPassword, randomText } from '../admin-password.ts'
import type { Ctx } from '../context.ts'
import { badRequest } from '../faults.ts'
import { post, selfLinks } from '../resource.ts'
import { createBodies, type CreateRequest } from './server-create-body.ts'
import {
  bootImage,
  destination,
  flavorFor,
  groupFor,
  hintsOf,
  keyFor,
  nics,
  securityGroups,
} from './server-create-checks.ts'
import { blankDisks } from './server-create-disks.ts'
import { injectedFiles } from './server-files.ts'

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

interface Counts {
  readonly least: number
  readonly most: number
}

function counts({ min_count, max_count }: CreateRequest['server']): Counts {
  const least = min_count ?? 1
  const most = max_count ?? least
  if (least > most) throw badRequest('min_count must be <= max_count')
  if (most > MOST_AT_ONCE) throw badRequest(`max_count must be <= ${MOST_AT_ONCE}`)
  return { least, most }
}

/** As many as the quota has room for, at least `least`: then it is the admission that refuses. */
async function fitting({ db, caller, config }: Ctx, { least, most }: Counts, flavor: Flavor): Promise<number> {
  if (least === most) return least
  const room = await roomFor(db, caller, { instances: 1, cores: flavor.vcpus, ram: flavor.memoryMb }, config.quota)
  return Math.max(least, Math.min(most, room))
}

/** Of several, each has its number; one whose name says nothing has its id. */
function hostnameFor(name: string, id: string, count: number, index: number): string {
  const hostname = hostnameOf(name, id)
  return count > 1 && !hostname.endsWith(id) ? numberedHostname(hostname, index + 1) : hostname
}

interface Wish {
  readonly serverOf: (count: number, index: number) => NewServer
  readonly body: CreateBody
}

/** Other requests may take the room that was counted: then fewer are tried, as long as they are enough. */
async function admitted(
  ctx: Ctx,
  counts: Counts,
  flavor: Flavor,
  { serverOf, body }: Wish,
): Promise<readonly NewServer[]> {
  for (let { most } = counts; ;) {
    const count = await fitting(ctx, { ...counts, most }, flavor)
    const servers = Array.from({ length: count }, (_, index) => serverOf(count, index))
    try {
      await admitCreate(ctx, ctx.caller, servers, body, ctx.config.quota)
      return servers
    } catch (error) {
      if (count === counts.least || !isNovaError(error, 'TooManyInstances')) throw error
      most = count - 1
    }
  }
}

async function create(ctx: Ctx, body: CreateRequest): Promise<Created> {
  const { server } = body
  const { db, caller, config } = ctx
  const { least, most } = counts(server)
  const hints = hintsOf(body)
  const flavor = await flavorFor(ctx, server.flavorRef)
  const limits = await nearestLimits(db, caller, config.quota)
  if (limits.metadata_items >= 0 && Object.keys(server.metadata ?? {}).length > limits.metadata_items)
    throw new NovaError('MetadataLimitExceeded', { allowed: limits.metadata_items })
  const localDisks = blankDisks(server.block_device_mapping_v2 ?? [], flavor)
  const [image, key, place, interfaces, groups, groupId] = [
    await bootImage(ctx, server, flavor),
    await keyFor(ctx, server.key_name),
    await destination(ctx, server),
    await nics(ctx, server.networks, most),
    await securityGroups(ctx, server.security_groups),
    await groupFor(ctx, hints),
  ]
  if (server.hostname !== undefined && most > 1)
    throw badRequest('Unable to allocate a single hostname to multiple instances')
  const files = injectedFiles(limits, server.personality)
  const now = ctx.clock.now()
  const reservationId = `r-${randomText(8).toLowerCase()}`
  const serverOf = (count: number, index: number): NewServer => {
    const id = newId()
    const name = count > 1 ? `${server.name}-${index + 1}` : server.name
    return {
      id,
      name,
      description: server.description ?? null,
      hostname: server.hostname ?? hostnameFor(server.name, id, count, index),
      projectId: caller.projectId,
      userId: caller.userId,
      vmState: 'building',
      taskState: 'scheduling',
      powerState: 'nostate',
      availabilityZone: place.zone,
      pinnedZone: place.zone,
      schedulerHints: hints,
      groupId,
      flavor,
      image,
      localDisks,
      keyName: key?.name ?? null,
      keyType: key?.type ?? null,
      publicKey: key?.publicKey ?? null,
      userData: server.user_data ?? null,
      injectedFiles: files,
      bootRoles: [...caller.roles].toSorted(),
      configDrive:
        server.config_drive === true ||
        config.DEFAULT.force_config_drive ||
        image.properties['img_config_drive'] === 'mandatory',
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
  }
  const made = await admitted(ctx, { least, most }, flavor, {
    serverOf,
    body: { onlyHost: place.onlyHost, forced: place.forced, securityGroupIds: [...groups.ids] },
  })
  const [first] = made
  if (!first) throw badRequest('min_count must be >= 1')
  if (!server.return_reservation_id) ctx.setHeader('location', `${ctx.at.base}/servers/${first.id}`)
  return {
    id: first.id,
    adminPass: adminPassword(server.adminPass),
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
