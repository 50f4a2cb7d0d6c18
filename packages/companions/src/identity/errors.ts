/** What the identity service refuses, in Keystone's words. */
import { Fault } from '../openstack/fault.ts'

export const notFound = (what: string, id: string): Fault => new Fault(404, `Could not find ${what}: ${id}.`)
export const notAllowed = (action: string): Fault =>
  new Fault(403, `You are not authorized to perform the requested action: identity:${action}.`)
/** What nobody may do to this thing as it is. */
export const refusedAction = (why: string): Fault => new Fault(403, `${why}.`)
/** What a body asks for that cannot be. */
export const invalid = (why: string): Fault => new Fault(400, `${why}.`)
export const taken = (what: string, why: string): Fault =>
  new Fault(409, `Conflict occurred attempting to store ${what} - ${why}.`)
export const notUnderstood = (why: string): Fault =>
  new Fault(
    400,
    `${why} The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.`,
  )
