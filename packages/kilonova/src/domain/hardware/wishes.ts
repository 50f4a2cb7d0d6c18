/** What a flavor's extra specs and an image's properties ask of the guest's hardware. Upstream: nova/virt/hardware.py. */
import { NovaError } from '../errors.ts'

export interface Wishes {
  readonly vcpus: number
  readonly memoryMb: number
  /** `hw:cpu_sockets`, … */
  readonly extraSpecs: Readonly<Record<string, string>>
  /** `hw_cpu_sockets`, … */
  readonly properties: Readonly<Record<string, string>>
}

const YES = /^(1|t|true|on|y|yes)$/i
export const isYes = (text: string | undefined): boolean => text !== undefined && YES.test(text.trim())

/** `hw:<key>` of the flavor and `hw_<key>` of the image; undefined: not said. */
export const both = (
  { extraSpecs, properties }: Pick<Wishes, 'extraSpecs' | 'properties'>,
  key: string,
  prefix = 'hw',
): { readonly flavor: string | undefined; readonly image: string | undefined } => ({
  flavor: extraSpecs[`${prefix}:${key}`],
  image: properties[`${prefix}_${key}`],
})

/** The flavor's word where it has one, else the image's. */
export function either(
  wishes: Pick<Wishes, 'extraSpecs' | 'properties'>,
  key: string,
  prefix = 'hw',
): string | undefined {
  const { flavor, image } = both(wishes, key, prefix)
  return flavor ?? image
}

export const refuse = (message: string): NovaError => new NovaError('BadRequest', { message })

/** Errors: BadRequest, when the two contradict each other. */
export function agreedFlag(wishes: Wishes, key: string): boolean | undefined {
  const { flavor, image } = both(wishes, key)
  if (flavor !== undefined && image !== undefined && isYes(flavor) !== isYes(image)) throw conflict(key, flavor, image)
  const said = flavor ?? image
  return said === undefined ? undefined : isYes(said)
}

export const conflict = (key: string, flavor: string, image: string): NovaError =>
  refuse(`Conflicting values for ${key} found in the flavor (${flavor}) and the image (${image}).`)
