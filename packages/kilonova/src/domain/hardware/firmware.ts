/** What a guest is booted by. Upstream: get_secure_boot_constraint, get_stateless_firmware_constraint. */
import { both, conflict, isYes, refuse, type Wishes } from './wishes.ts'

type Words = Pick<Wishes, 'extraSpecs' | 'properties'>

export const isUefi = ({ properties }: Words): boolean => properties['hw_firmware_type'] === 'uefi'

/** Errors: BadRequest. */
export function secureBoot(words: Words): 'required' | 'disabled' | 'optional' | undefined {
  const { flavor, image } = both(words, 'secure_boot', 'os')
  if (flavor !== undefined && image !== undefined && image !== 'optional' && flavor !== image)
    throw conflict('secure_boot', flavor, image)
  return (flavor ?? image) as 'required' | 'disabled' | 'optional' | undefined
}

/** Errors: BadRequest. */
export function statelessFirmware(words: Words): boolean {
  const stateless = isYes(words.properties['hw_firmware_stateless'])
  if (stateless && !isUefi(words)) throw refuse('Stateless firmware is supported only when UEFI firmware is used')
  return stateless
}
