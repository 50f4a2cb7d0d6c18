/** What the identity service refuses, in Keystone's words. */
import { Fault } from '../openstack/fault.ts'

export const notFound = (what: string, id: string): Fault => new Fault(404, `Could not find ${what}: ${id}.`)
export const notAllowed = (action: string): Fault =>
  new Fault(403, `You are not authorized to perform the requested action: identity:${action}.`)
export const notUnderstood = (why: string): Fault =>
  new Fault(
    400,
    `${why} The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.`,
  )
