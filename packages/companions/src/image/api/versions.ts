/** `/` and `/versions`: which versions of the API are here. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { publicUrl } from '../../openstack/service.ts'

const MINORS = [15, 9, 7, 6, 5, 4, 3, 2, 1, 0]

const versions = (request: FastifyRequest) => ({
  versions: MINORS.map((minor, index) => ({
    id: `v2.${minor}`,
    status: index === 0 ? 'CURRENT' : 'SUPPORTED',
    links: [{ rel: 'self', href: `${publicUrl(request)}/v2/` }],
  })),
})

export function versionRoutes(app: FastifyInstance): void {
  app.get('/', (request, reply) => reply.code(300).send(versions(request)))
  app.get('/versions', (request, reply) => reply.send(versions(request)))
}
