/** Create a server: place it, give it ports, a disk and a config drive, and make its guest run. All of it is undone when a step fails. */
import { z } from 'zod'
import { NovaError } from '../domain/errors.ts'
import { claimOf, type Server } from '../domain/server.ts'
import { writeConfigDrive } from './config-drive.ts'
import { action } from './define.ts'
import { disksFor, guestOf } from './guest.ts'
import { addressesOf, makePorts, releasePorts, serverFacts } from './ports.ts'

export const createBody = z.strictObject({
  /** A host or hypervisor that an administrator named; null lets the scheduler choose. */
  onlyHost: z.string().nullable(),
  /** Whether that host is asked for room and life alone, whatever its zone and the other filters say. */
  forced: z.boolean().default(true),
  /** All servers of the reservation are placed by one decision, or none. */
  together: z.boolean().default(false),
  /** Ids; empty means the project's default group. */
  securityGroupIds: z.array(z.string()),
})
export type CreateBody = z.input<typeof createBody>

function imageOf(server: Server): NonNullable<Server['image']> {
  if (server.image === null) throw new NovaError('BuildAborted', { reason: 'it has no image to boot from' })
  return server.image
}

export const create = action('create', {
  body: createBody,
  policy: 'os_compute_api:servers:create',
  when: { vmState: ['building'] },
  duringTask: 'refuse',
  taskState: 'scheduling',
  then: { vmState: 'active', powerState: 'running' },
  otherwise: 'error',
  shownAs: { action: 'create', event: 'compute__do_build_and_run_instance' },
})
  .step('claim', {
    run: async ({ scheduler, server, body, requestId, rows }) => {
      const spec = {
        resources: claimOf(server),
        zone: server.availabilityZone,
        onlyHost: body.onlyHost,
        forced: body.onlyHost !== null && body.forced,
        imageProperties: server.image?.properties ?? {},
        extraSpecs: server.flavor.extraSpecs,
        hints: server.schedulerHints,
      }
      const placement = await scheduler.place({
        consumerId: server.id,
        projectId: server.projectId,
        seed: requestId,
        groupId: server.groupId,
        together: body.together ? server.reservationId : null,
        spec,
      })
      if (!placement.placed) throw new NovaError('NoValidHost', { reason: placement.explanation })
      const place = {
        host: placement.host,
        hypervisorHostname: placement.hypervisorHostname,
        availabilityZone: placement.zone,
      }
      await rows.place(place)
      return place
    },
    undo: async ({ scheduler, server, rows }) => {
      await scheduler.release({ consumerId: server.id })
      await rows.place(null)
    },
  })
  .step('ports', {
    taskState: 'networking',
    run: async ({ neutron, server, body, key, firstTry, rows }, { claim }) => {
      if (server.requestedNics.length === 0) return []
      const ports = await makePorts(neutron, {
        key,
        firstTry,
        server,
        place: claim,
        securityGroups: body.securityGroupIds,
      })
      const facts = await serverFacts(neutron, server, ports)
      await rows.addresses(addressesOf(facts))
      return facts
    },
    undo: async ({ neutron, server, rows }) => {
      if (server.requestedNics.length === 0) return
      await releasePorts(neutron, server)
      await rows.addresses([])
    },
  })
  .step('image', {
    taskState: 'block_device_mapping',
    // The cache keeps what was fetched: it is shared, and pruned by age.
    run: async ({ hostAt, server, imageTicket }, { claim }) => {
      const ticket = await imageTicket(imageOf(server).id)
      await hostAt(claim.host).fetchImage(ticket)
      return {
        imageId: ticket.imageId,
        diskFormat: ticket.diskFormat,
        hash: ticket.hash,
        hashAlgorithm: ticket.hashAlgorithm,
      }
    },
  })
  .step('disk', {
    run: ({ hostAt, server }, { claim, image }) => hostAt(claim.host).createDisk(disksFor(server, image)),
    undo: ({ hostAt }, { claim }) => hostAt(claim.host).removeFiles(),
  })
  .step('configDrive', {
    run: (ctx, { claim, ports }) => writeConfigDrive(ctx, ctx.hostAt(claim.host), ports),
    undo: ({ hostAt }, { claim }) => hostAt(claim.host).removeFiles(),
  })
  .step('plug', {
    run: ({ hostAt }, { claim, ports }) => hostAt(claim.host).plug(ports),
    undo: ({ hostAt }, { claim }) => hostAt(claim.host).unplug(),
  })
  .step('start', {
    taskState: 'spawning',
    run: ({ hostAt, server }, { claim, ports }) => hostAt(claim.host).start(guestOf(server, ports)),
    undo: ({ hostAt }, { claim }) => hostAt(claim.host).destroy(),
  })
