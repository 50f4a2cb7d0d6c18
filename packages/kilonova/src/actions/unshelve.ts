/** Unshelve: one that is still on its host is started there; one that was offloaded is placed anew, and its disk made from the image that was kept. */
import { z } from 'zod'
import { NovaError } from '../domain/errors.ts'
import { claimOf } from '../domain/server.ts'
import type { Base } from '../task/action.ts'
import { rewriteConfigDrive } from './config-drive.ts'
import { action, type Reach } from './define.ts'
import { disksFor } from './guest.ts'
import { hostOf, startGuest } from './power.ts'
import { forgetShelved } from './snapshot.ts'

export const unshelveBody = z.strictObject({
  /** Where it is looked for a place; null: anywhere. */
  zone: z.string().nullable(),
  onlyHost: z.string().nullable(),
  /** The zone that it is kept in from now on. */
  pinnedZone: z.string().nullable(),
})
type Ctx = Reach & Base<z.output<typeof unshelveBody>>

const spec = {
  policy: 'os_compute_api:os-shelve:unshelve',
  duringTask: 'refuse',
  taskState: 'unshelving',
  then: { vmState: 'active', powerState: 'running' },
  shownAs: { action: 'unshelve', event: 'compute_unshelve_instance' },
} as const

export const unshelveInPlace = action('unshelveInPlace', {
  ...spec,
  body: z.null(),
  when: { vmState: ['shelved'], needsHost: true },
})
  .step('start', { taskState: 'powering-on', run: startGuest, undo: (ctx) => hostOf(ctx).powerOff() })
  .pivot()
  .step('image', { run: forgetShelved })

async function moveTo({ server, neutron }: Ctx, place: { host: string; availabilityZone: string }): Promise<void> {
  if (server.requestedNics.length === 0) return
  const binding = { serverId: server.id, host: place.host, zone: place.availabilityZone }
  for (const port of await neutron.portsOf(server)) await neutron.bindPort(port.id, binding)
}

export const unshelve = action('unshelve', {
  ...spec,
  body: unshelveBody,
  when: { vmState: ['shelved_offloaded'] },
})
  .step('before', { run: async ({ server }) => ({ pinnedZone: server.pinnedZone }) })
  .step('claim', {
    run: async ({ scheduler, server, body, requestId, rows }) => {
      const placement = await scheduler.place({
        consumerId: server.id,
        projectId: server.projectId,
        seed: requestId,
        groupId: server.groupId,
        together: null,
        spec: {
          resources: claimOf(server),
          zone: body.zone,
          onlyHost: body.onlyHost,
          forced: false,
          imageProperties: server.image?.properties ?? {},
          extraSpecs: server.flavor.extraSpecs,
          hints: server.schedulerHints,
        },
      })
      if (!placement.placed) throw new NovaError('NoValidHost', { reason: placement.explanation })
      const { host, hypervisorHostname, zone: availabilityZone } = placement
      await rows.place({ host, hypervisorHostname, availabilityZone })
      return { host, hypervisorHostname, availabilityZone }
    },
    undo: async ({ scheduler, server, rows }) => {
      await scheduler.release({ consumerId: server.id })
      await rows.place(null)
    },
  })
  .step('pin', {
    run: ({ rows, body }) => rows.pinnedZone(body.pinnedZone),
    undo: ({ rows }, { before }) => rows.pinnedZone(before.pinnedZone),
  })
  .step('ports', {
    run: (ctx, { claim }) => moveTo(ctx, claim),
    undo: async ({ server, neutron }) => {
      if (server.requestedNics.length > 0)
        for (const port of await neutron.portsOf(server)) await neutron.leaveHost(port.id)
    },
  })
  .step('image', {
    run: async (ctx) => {
      const { shelved } = ctx.server
      if (shelved === null) throw new NovaError('BuildAborted', { reason: 'its disk was not kept' })
      const ticket = await ctx.imageTicket(shelved.imageId)
      await hostOf(ctx).fetchImage(ticket)
      const { imageId, diskFormat, hash, hashAlgorithm } = ticket
      return { imageId, diskFormat, hash, hashAlgorithm }
    },
  })
  .step('disk', {
    taskState: 'spawning',
    run: (ctx, { image }) => hostOf(ctx).createDisk(disksFor(ctx.server, image)),
    undo: (ctx) => hostOf(ctx).removeFiles(),
  })
  .step('configDrive', { run: rewriteConfigDrive, undo: (ctx) => hostOf(ctx).removeFiles() })
  .step('start', {
    run: startGuest,
    undo: async (ctx) => {
      await hostOf(ctx).destroy()
      await hostOf(ctx).unplug()
    },
  })
  .pivot()
  .step('forget', { run: forgetShelved })
