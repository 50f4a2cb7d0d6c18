/** Where a request came in: what links in its answer begin with. */
import type { FastifyRequest } from 'fastify'
import type { At } from './context.ts'

export type Place = Pick<At, 'base' | 'bookmark' | 'path' | 'search'> & { readonly legacy: boolean }

const HOST = /^[\w.-]+(:\d{1,5})?$|^\[[\da-f:.]+\](:\d{1,5})?$/i

/** `http://host:port` as the client knows it; a host that is no host is replaced by the address it reached. */
export function publicUrl(request: FastifyRequest): string {
  const host = request.headers.host ?? ''
  return `${request.protocol}://${HOST.test(host) ? host : `127.0.0.1:${request.socket.localPort ?? 80}`}`
}

export function placeOf(request: FastifyRequest): Place {
  const [path = '', search = ''] = request.url.split('?', 2)
  const [, version = 'v2.1', ...rest] = path.split('/')
  const root = publicUrl(request)
  const project = (request.params as Record<string, string | undefined>)['project_id']
  const withProject = project === undefined ? '' : `/${project}`
  return {
    base: `${root}/${version}${withProject}`,
    bookmark: `${root}${withProject}`,
    path: `/${(project === undefined ? rest : rest.slice(1)).join('/')}`,
    search,
    legacy: version === 'v2',
  }
}
