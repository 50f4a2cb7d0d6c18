/** Fields that several nouns share. What a body says beyond the known fields is kept and shown again, as Keystone does. */
import { z } from 'zod'

export const nameField = (max = 255) => z.string().max(max).regex(/\S/, 'a name is needed')
export const description = z.string().max(65_535).nullish()
export const enabled = z.boolean().optional()
export const idField = z.string().min(1).max(64)

/** Of domains, projects and roles. */
export const options = z.strictObject({ immutable: z.boolean().nullish() }).optional()

const MAX_TAGS = 80
export const tag = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[^,/]+$/, 'a tag has neither comma nor slash')
export const tags = z.array(tag).max(MAX_TAGS).optional()

/** What an answer says by itself is nobody's own attribute. */
const RESERVED = new Set(['id', 'links', 'password', 'password_expires_at', 'is_domain'])

/** JSON of the caller's own attributes: those kept so far, and what the body says that `known` does not. */
export function extraOf(body: object, known: z.ZodObject, before = '{}'): string {
  const own = Object.entries(body).filter(([name]) => !(name in known.shape) && !RESERVED.has(name))
  return JSON.stringify({ ...(JSON.parse(before) as object), ...Object.fromEntries(own) })
}

/** An option set to null is taken back. */
export function mergedOptions(before: string, change: Readonly<Record<string, unknown>> = {}): string {
  const merged = { ...(JSON.parse(before) as object), ...change }
  return JSON.stringify(Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null)))
}
