/**
 * Shelve a server: its disk is kept as an image and its power taken; offloaded, nothing of it is left on its host and its claim is given back.
 *
 *     active, stopped, paused, suspended ──shelve──> shelved ──shelveOffload──> shelved_offloaded
 *                     └──────────────────shelveAndOffload──────────────────────────────┘
 */
import { z } from 'zod'
import type { Base } from '../task/action.ts'
import { action, anything, onWire, type Reach } from './define.ts'
import { hostOf, restorePower, shutdownTimeout, shutDownGuest } from './power.ts'
import { imageAwaitsContent, imageOf, uploadCopy } from './snapshot.ts'

type Ctx = Reach & Base<unknown>

/** All up to here can be undone; what comes after removes what is kept by then. */
const shelving = <Name extends string>(name: Name, vmState: 'shelved' | 'shelved_offloaded') =>
  action(name, {
    body: z.null(),
    policy: 'os_compute_api:os-shelve:shelve',
    when: { vmState: ['active', 'stopped', 'paused', 'suspended'], needsHost: true },
    duringTask: 'refuse',
    taskState: 'shelving',
    then: { vmState, powerState: 'shutdown' },
    shownAs: { action: 'shelve', event: 'compute_shelve_instance' },
  })
    .step('image', {
      run: async ({ glance, server, id }) => {
        const name = `${server.name}-shelved`
        const { userId, projectId } = server
        const image = imageOf(server, { id, name, type: 'snapshot', userId, projectId })
        await glance.create(image)
        return image
      },
      undo: ({ glance, id }) => glance.remove(id),
    })
    .step('shutdown', { loses: ['memory'], run: (ctx) => shutDownGuest(ctx, shutdownTimeout(ctx)), undo: restorePower })
    .step('powerOff', { loses: ['memory'], run: (ctx) => hostOf(ctx).powerOff(), undo: restorePower })
    .step('copy', {
      run: (ctx, { image }) => hostOf(ctx).snapshot(image.id),
      undo: (ctx, { image }) => hostOf(ctx).removeSnapshot(image.id),
    })
    .step('pending', {
      taskState: 'shelving_image_pending_upload',
      run: async (ctx, { image }) => void (await imageAwaitsContent(ctx, image)),
    })
    .step('upload', { taskState: 'shelving_image_uploading', run: (ctx, { image }) => uploadCopy(ctx, image) })
    .step('record', {
      run: ({ rows, clock }, { image }) => rows.shelved({ imageId: image.id, at: clock.now() }),
      undo: ({ rows }) => rows.shelved(null),
    })
    .pivot()
    .step('drop', { run: (ctx, { image }) => hostOf(ctx).removeSnapshot(image.id) })

const destroy = async ({ server, hostAt }: Ctx): Promise<void> => {
  if (server.host !== null) await hostAt(server.host).destroy()
}
const unplug = async ({ server, hostAt }: Ctx): Promise<void> => {
  if (server.host !== null) await hostAt(server.host).unplug()
}
const files = async ({ server, hostAt }: Ctx): Promise<void> => {
  if (server.host !== null) await hostAt(server.host).removeFiles()
}
/** They stay the server's, with their addresses. */
const ports = async ({ server, neutron }: Ctx): Promise<void> => {
  if (server.requestedNics.length > 0)
    for (const port of await neutron.portsOf(server)) await neutron.leaveHost(port.id)
}
const leave = async ({ server, scheduler, rows }: Ctx): Promise<void> => {
  await scheduler.release({ consumerId: server.id })
  await rows.place(null)
}

export const shelve = shelving('shelve', 'shelved')

export const shelveAndOffload = shelving('shelveAndOffload', 'shelved_offloaded')
  .step('destroy', { taskState: 'shelving_offloading', run: destroy })
  .step('unplug', { run: unplug })
  .step('files', { loses: ['disk'], run: files })
  .step('ports', { run: ports })
  .step('leave', { run: leave })

export const shelveOffload = onWire(
  { key: 'shelveOffload', status: 202, value: anything },
  action('shelveOffload', {
    body: z.null(),
    policy: 'os_compute_api:os-shelve:shelve_offload',
    when: { vmState: ['shelved'], needsHost: true },
    duringTask: 'refuse',
    taskState: 'shelving_offloading',
    then: { vmState: 'shelved_offloaded', powerState: 'shutdown' },
    shownAs: { action: 'shelveOffload', event: 'compute_shelve_offload_instance' },
  })
    .pivot()
    .step('destroy', { run: destroy })
    .step('unplug', { run: unplug })
    .step('files', { loses: ['disk'], run: files })
    .step('ports', { run: ports })
    .step('leave', { run: leave }),
)
