/** `/` and `/v3`: which versions of the API are here. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { publicUrl } from '../../openstack/service.ts'

const version = (request: FastifyRequest) => ({
  id: 'v3.14',
  status: 'stable',
  updated: '2020-04-07T00:00:00Z',
  links: [{ rel: 'self', href: `${publicUrl(request)}/v3/` }],
  'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.identity-v3+json' }],
})

export function versionRoutes(app: FastifyInstance): void {
  app.get('/', (request, reply) => reply.code(300).send({ versions: { values: [version(request)] } }))
  app.get('/v3', (request) => Promise.resolve({ version: version(request) }))
}
