/** How a handler of the fake answers with a libvirt error. */
import { ErrorDomain, ErrorLevel } from '../constants.gen.ts'
import { LibvirtError } from '../errors.ts'

export function fail(code: number, message: string): never {
  throw new LibvirtError({ code, message, domain: ErrorDomain.TEST, level: ErrorLevel.ERROR }, 'fake')
}
