/** The page that shows a screen: ours, around noVNC's own code, which is served as its package has it. Nothing of it is secret. */
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance, FastifyReply } from 'fastify'

/** Whatever page an operator's `novncproxy_base_url` names, as noVNC's own folder has them. */
const PAGES = ['/', '/vnc_auto.html', '/vnc_lite.html', '/vnc.html']
const OWN = join(import.meta.dirname, 'page')
/** No dot but the last: nothing leads out of the folder. */
const MODULE = /^(?:core|vendor)(?:\/[a-z0-9_-]+)+\.js$/i

const HEADERS = {
  // The token is in the page's own address: it must not travel on. The page may stand in a frame, as dashboards have it.
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'",
  'cache-control': 'no-cache',
}

export function servePage(app: FastifyInstance): void {
  const novnc = dirname(dirname(fileURLToPath(import.meta.resolve('@novnc/novnc'))))
  const send = async (reply: FastifyReply, type: string, path: string): Promise<FastifyReply> => {
    const content = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'EISDIR') return undefined
      throw error
    })
    return content ? reply.headers(HEADERS).type(type).send(content) : reply.code(404).send({ message: 'not found' })
  }
  for (const path of PAGES)
    app.get(path, (_request, reply) => send(reply, 'text/html; charset=utf-8', join(OWN, 'vnc.html')))
  app.get('/vnc.css', (_request, reply) => send(reply, 'text/css; charset=utf-8', join(OWN, 'vnc.css')))
  app.get('/vnc.js', (_request, reply) => send(reply, 'text/javascript; charset=utf-8', join(OWN, 'vnc.js')))
  app.get<{ Params: { '*': string } }>('/novnc/*', (request, reply) => {
    const name = request.params['*']
    return MODULE.test(name)
      ? send(reply, 'text/javascript; charset=utf-8', join(novnc, name))
      : reply.code(404).send({ message: 'not found' })
  })
}
