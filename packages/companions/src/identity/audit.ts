/** The audit log: who did what to whom, when and from where; one line of phrase `audit` for each login and change. Never a secret. */
import type { FastifyRequest } from 'fastify'
import type { IdentityContext } from './context.ts'

export interface AuditEvent {
  /** `authenticate`, `create user`, `delete project`, … */
  readonly event: string
  readonly outcome: 'success' | 'failure'
  /** Who acts; for a login that failed, who they said they were. */
  readonly actor: string
  /** The id of what was acted on. */
  readonly target?: string | undefined
  readonly facts?: Readonly<Record<string, string | boolean | readonly string[]>>
}

export function audit({ log }: IdentityContext, request: FastifyRequest, { facts, ...event }: AuditEvent): void {
  log.info('audit', { requestId: request.id, source: request.ip, ...event, ...facts })
}
