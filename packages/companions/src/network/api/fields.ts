/** Fields that several nouns have, as schemas; an unknown field is refused in Neutron's words. */
import { z } from 'zod'
import { parsed } from '../../openstack/body.ts'
import { badRequest } from '../../openstack/fault.ts'
import { parseAddress } from '../address.ts'
import { missing } from '../errors.ts'
import { ZONE } from '../views.ts'

export const text = z.string().max(255)
export const project = z.string().min(1).max(255).optional()
/** Names of zones; `mustBeZones` says which there are. */
export const zoneHints = z.array(z.string().min(1).max(255)).max(10).optional()
export const tags = z.array(z.string().min(1).max(255)).max(50)
export const flag = z.union([z.boolean(), z.stringbool({ truthy: ['true', '1'], falsy: ['false', '0'] })])
export const address = z
  .string()
  .refine((value) => parseAddress(value) !== undefined, { error: 'is not a valid IP address' })
export const mac = z
  .string()
  .regex(/^([\da-f]{2}:){5}[\da-f]{2}$/i, { error: 'is not a valid MAC address' })
  .transform((value) => value.toLowerCase())

/** The object under `name` of a body. Errors: 400. */
export function bodyOf<T>(name: string, schema: z.ZodType<T>, body: unknown): T {
  const frame = parsed(z.object({ [name]: z.unknown() }), body)
  const unknown = schema.safeParse(frame[name]).error?.issues.find((issue) => issue.code === 'unrecognized_keys')
  if (unknown && unknown.path.length === 0) throw badRequest(`Unrecognized attribute(s) '${unknown.keys.join("', '")}'`)
  return parsed(schema, frame[name], 'InvalidInput')
}

/** Errors: 404 for a zone that there is none of. */
export function mustBeZones(hints: readonly string[] | undefined): void {
  for (const hint of hints ?? []) if (hint !== ZONE) throw missing('AvailabilityZone', hint)
}
