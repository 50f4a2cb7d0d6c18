/** Errors by what they spoil: one call (`LibvirtError`, `QueueFullError`), one stream, or the whole connection (`ConnectionLostError`). */
import { ErrorNumber } from './constants.gen.ts'

/** libvirt's error codes by name: `error.code === ERR.NO_DOMAIN`. */
export const ERR = ErrorNumber
export type ErrorName = keyof typeof ERR

const NAMES = new Map(Object.entries(ErrorNumber).map(([name, code]) => [code as number, name as ErrorName]))

export interface LibvirtErrorFields {
  readonly code: number
  readonly domain: number
  readonly level: number
  readonly message: string | null
}

/** libvirtd answered a call, or ended a stream, with an error. */
export class LibvirtError extends Error {
  override readonly name = 'LibvirtError'
  readonly code: number
  /** The code's name, `undefined` for one newer than this package. */
  readonly codeName: ErrorName | undefined
  /** The part of libvirt it comes from (`ErrorDomain`). */
  readonly domain: number
  /** `ErrorLevel`: 1 warning, 2 error. */
  readonly level: number
  readonly procedure: string

  constructor(fields: LibvirtErrorFields, procedure: string) {
    super(fields.message ?? `libvirt error ${fields.code} without a message`)
    this.code = fields.code
    this.codeName = NAMES.get(fields.code)
    this.domain = fields.domain
    this.level = fields.level
    this.procedure = procedure
  }
}

/** True for a libvirt error with one of these codes: `isLibvirtError(error, 'NO_DOMAIN')`. */
export const isLibvirtError = (error: unknown, ...names: readonly ErrorName[]): error is LibvirtError =>
  error instanceof LibvirtError &&
  (names.length === 0 || (error.codeName !== undefined && names.includes(error.codeName)))

/** The connection is gone: whether a pending call took effect is not known. `cause` says why, where it is known. */
export class ConnectionLostError extends Error {
  override readonly name = 'ConnectionLostError'
}

/** The other side sent what the protocol does not allow. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}

/** libvirtd wants an authentication this package does not speak. */
export class AuthRefusedError extends Error {
  override readonly name = 'AuthRefusedError'
}

/** More calls are waiting than `maxQueued` allows. */
export class QueueFullError extends Error {
  override readonly name = 'QueueFullError'
}
