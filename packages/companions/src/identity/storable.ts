/** What PostgreSQL cannot keep is refused at the door on every database: text with a NUL. */
import type { FastifyInstance } from 'fastify'
import { invalid } from './errors.ts'

export function refuseNul(app: FastifyInstance): void {
  app.addHook('preHandler', (request, _reply, done) => {
    const found = request.url.includes('%00') || holdsNul(request.body)
    done(found ? invalid('A text may not have a NUL character') : undefined)
  })
}

const holdsNul = (value: unknown): boolean =>
  typeof value === 'string'
    ? value.includes('\0')
    : typeof value === 'object' && value !== null && Object.entries(value).flat().some(holdsNul)
