/** What PostgreSQL cannot keep is refused at the door on every database: text with a NUL. */
import type { FastifyRequest } from 'fastify'
import { invalid } from './errors.ts'

/** Errors: 400. */
export function mustBeStorable({ url, body }: Pick<FastifyRequest, 'url' | 'body'>): void {
  if (url.includes('%00') || (body !== undefined && holdsNul(body))) throw invalid('text with a NUL character')
}

const holdsNul = (value: unknown): boolean =>
  typeof value === 'string'
    ? value.includes('\0')
    : typeof value === 'object' && value !== null && Object.entries(value).flat().some(holdsNul)
