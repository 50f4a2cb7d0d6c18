/** What went wrong as an answer: one exhaustive map from kinds to statuses, and Nova's body for each. */
import { RefusedError } from '../clients/neighbour.ts'
import { isNovaError, type ErrorKind } from '../domain/errors.ts'

/** A refusal of the HTTP layer itself, which no noun knows of. */
export class ApiFault extends Error {
  override readonly name = 'ApiFault'
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}, options?: ErrorOptions) {
    super(message, options)
    this.status = status
    this.headers = headers
  }
}

export const badRequest = (message: string): ApiFault => new ApiFault(400, message)
export const notFound = (message = 'The resource could not be found.'): ApiFault => new ApiFault(404, message)

const STATUS: Readonly<Record<ErrorKind, number>> = {
  badRequest: 400,
  unauthorized: 401,
  forbidden: 403,
  notFound: 404,
  conflict: 409,
  internal: 500,
  unavailable: 503,
}

const NAMES: Readonly<Record<number, string>> = {
  400: 'badRequest',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'itemNotFound',
  405: 'badMethod',
  409: 'conflictingRequest',
  413: 'overLimit',
  415: 'badMediaType',
  429: 'overLimit',
  501: 'notImplemented',
  503: 'serviceUnavailable',
}

const UNEXPECTED = "Unexpected API Error. The service's log has the cause under this request's id."

/** An error as status and words. What nobody foresaw is a 500 that gives nothing away; the log has the rest. */
export function faultOf(error: unknown): ApiFault {
  if (error instanceof ApiFault) return error
  // What another service says to us is for the log: it may tell of places, and of requests that are not the caller's.
  if (isNovaError(error, 'ServiceRefused'))
    return new ApiFault(500, `The ${error.detail.service} service refused what it was asked for.`, {}, { cause: error })
  // What a neighbour does not let this user do, it may say itself.
  if (error instanceof RefusedError)
    return error.status === 403
      ? new ApiFault(403, error.message, {}, { cause: error })
      : new ApiFault(500, `The ${error.service} service refused what it was asked for.`, {}, { cause: error })
  if (isNovaError(error)) return new ApiFault(STATUS[error.kind], error.message, {}, { cause: error })
  return new ApiFault(500, UNEXPECTED, {}, { cause: error })
}

export const faultBody = ({ status, message }: ApiFault): string =>
  JSON.stringify({ [NAMES[status] ?? 'computeFault']: { code: status, message } })

/** What stands before every OpenStack service answers so to a missing or wrong token. */
export const UNAUTHORIZED_BODY = JSON.stringify({
  error: { message: 'The request you have made requires authentication.', code: 401, title: 'Unauthorized' },
})
