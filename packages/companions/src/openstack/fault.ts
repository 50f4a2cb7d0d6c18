/** A request refused: the status and the words a client gets. How the body looks is each service's own. */
import { STATUS_CODES } from 'node:http'

export interface FaultOptions {
  /** The service's own name for it (`IpAddressInUse`); without one the status's words. */
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

export class Fault extends Error {
  override readonly name = 'Fault'
  readonly status: number
  readonly type: string | undefined
  readonly headers: Readonly<Record<string, string>>
  constructor(status: number, message: string, { type, headers = {}, cause }: FaultOptions = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.status = status
    this.type = type
    this.headers = headers
  }
  /** `Not Found`, `Conflict`. */
  get title(): string {
    return STATUS_CODES[this.status] ?? 'Error'
  }
}

export const badRequest = (message: string, type?: string): Fault => new Fault(400, message, type ? { type } : {})
export const forbidden = (message: string, type?: string): Fault => new Fault(403, message, type ? { type } : {})
export const notFound = (message: string, type?: string): Fault => new Fault(404, message, type ? { type } : {})
export const conflict = (message: string, type?: string): Fault => new Fault(409, message, type ? { type } : {})

/** What every service answers to a missing, expired or unknown token; `identityUrl` tells where to get one. */
export const unauthorized = (identityUrl?: string): Fault =>
  new Fault(401, 'The request you have made requires authentication.', {
    headers: { 'www-authenticate': identityUrl ? `Keystone uri="${identityUrl}"` : 'Keystone' },
  })

/** `{"error": {"code", "message", "title"}}`: Keystone's body, and the body of a 401 in front of every service. */
export const keystoneBody = (fault: Fault): unknown => ({
  error: { code: fault.status, message: fault.message, title: fault.title },
})
