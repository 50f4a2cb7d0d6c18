/** `rescue`: the rescue image is the one asked for, the configured one, or the server's own. */
import { z } from 'zod'
import { rescue } from '../../actions/rescue.ts'
import { NovaError } from '../../domain/errors.ts'
import { adminPassword } from '../admin-password.ts'
import { badRequest } from '../faults.ts'
import { uuid } from '../fields.ts'
import { taskRequest } from './task-request.ts'

const value = z.strictObject({ adminPass: z.string().min(1).optional(), rescue_image_ref: uuid.optional() }).nullable()

export const rescueRequest = taskRequest<z.output<typeof value>>({
  key: 'rescue',
  action: rescue,
  status: 200,
  value: { '2.1': value },
  prepare: async ({ glance, caller, config }, server, asked) => {
    const id = asked?.rescue_image_ref ?? config.libvirt.rescue_image_id ?? server.image?.id
    if (id === undefined) throw badRequest(`Instance ${server.id} cannot be rescued: it has no image to boot from.`)
    const image = await glance.show(id, asked?.rescue_image_ref === undefined ? undefined : caller.token)
    if (!image) throw new NovaError('ImageNotFound', { id })
    if (image.status !== 'active') throw new NovaError('ImageNotActive', { id, status: image.status })
    const adminPass = adminPassword(asked?.adminPass)
    return { body: { image: { id, properties: image.properties } }, answer: async () => () => ({ adminPass }) }
  },
})
