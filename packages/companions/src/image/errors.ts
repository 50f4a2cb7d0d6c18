/** What the image service refuses, in Glance's words and body: `{"message", "code": "404 Not Found", "title"}`. */
import { Fault, keystoneBody } from '../openstack/fault.ts'

/** A 401 is answered by the token check in front of the service, so it has the identity service's body. */
export const faultBody = (fault: Fault): unknown =>
  fault.status === 401
    ? keystoneBody(fault)
    : { message: fault.message, code: `${fault.status} ${fault.title}`, title: fault.title }

export const noImage = (id: string): Fault => new Fault(404, `No image found with ID ${id}`)
export const notYours = (): Fault => new Fault(403, 'You are not permitted to modify this image.')
export const notAuthorized = (action: string): Fault =>
  new Fault(403, `You are not authorized to complete ${action} action.`)
