/** The frame of Keystone's lists: `{"projects": […], "links": {"self", "next", "previous"}}`. */
import type { FastifyRequest } from 'fastify'
import { publicUrl } from '../../openstack/service.ts'

export const collection = (request: FastifyRequest, name: string, items: readonly unknown[]): unknown => ({
  [name]: items,
  links: { next: null, self: `${publicUrl(request)}${request.url}`, previous: null },
})

export const links = (request: FastifyRequest, path: string) => ({
  links: { self: `${publicUrl(request)}/v3/${path}` },
})
