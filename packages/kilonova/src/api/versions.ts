/** The version documents, which need no token: what there is, and from which microversion to which. */
import type { FastifyInstance } from 'fastify'
import { MAX_MINOR, MIN_MINOR, versionOf } from '../domain/microversion.ts'
import { faultBody, notFound } from './faults.ts'
import { publicUrl } from './place.ts'

const LEGACY = { id: 'v2.0', status: 'SUPPORTED', version: '', min_version: '', updated: '2011-01-21T11:33:21Z' }
const CURRENT = {
  id: 'v2.1',
  status: 'CURRENT',
  version: versionOf(MAX_MINOR),
  min_version: versionOf(MIN_MINOR),
  updated: '2013-07-23T11:33:21Z',
}

const self = (root: string, path: string) => ({ rel: 'self', href: `${root}/${path}/` })

const detailed = (entry: typeof LEGACY, root: string, path: string) => ({
  version: {
    ...entry,
    links: [self(root, path), { rel: 'describedby', type: 'text/html', href: 'http://docs.openstack.org/' }],
    'media-types': [
      {
        base: 'application/json',
        type: `application/vnd.openstack.compute+json;version=${path === 'v2' ? '2' : '2.1'}`,
      },
    ],
  },
})

export function serveVersions(app: FastifyInstance): void {
  // As upstream, whoever asks what there may be asked is told the versions.
  app.route({
    method: ['GET', 'OPTIONS'],
    url: '/',
    handler: (request, reply) => {
      const root = publicUrl(request)
      return reply.send({
        versions: [
          { ...LEGACY, links: [self(root, 'v2')] },
          { ...CURRENT, links: [self(root, 'v2.1')] },
        ],
      })
    },
  })
  for (const prefix of ['', '/v2.1', '/v2'])
    app.get<{ Params: { id: string } }>(`${prefix}/versions/:id`, (request, reply) => {
      const { id } = request.params
      const entry = [CURRENT, LEGACY].find((version) => version.id === id)
      if (entry) return reply.send(detailed(entry, publicUrl(request), entry === CURRENT ? 'v2.1' : 'v2'))
      const fault = notFound()
      return reply.code(fault.status).type('application/json').send(faultBody(fault))
    })
  for (const end of ['', '/']) {
    app.get(`/v2.1${end}`, (request, reply) => reply.send(detailed(CURRENT, publicUrl(request), 'v2.1')))
    app.get(`/v2${end}`, (request, reply) => reply.send(detailed(LEGACY, publicUrl(request), 'v2')))
  }
}
