/** The fields that bodies and queries of several resources are made of, as lenient or strict as upstream's. */
import { z } from 'zod'
import { parseMoment } from './moment.ts'

const message = (text: string) => ({ error: () => text })

/** Printable, no white space at the ends, 1 to 255 characters. */
export const name = z
  .string()
  .min(1)
  .max(255)
  .refine(
    (text) => /^[^\p{Cc}\p{Cs}\p{Cn}]*$/u.test(text) && text.trim() === text,
    message(
      "An invalid 'name' value was provided. The name must be: printable characters. Can not start or end with whitespace.",
    ),
  )
/** Lines and tabs are welcome in it, other control characters are not. */
export const description = z
  .string()
  .max(255)
  .refine(
    (text) => /^[^\p{Cc}\p{Cs}]*$/u.test(text.replaceAll(/[\n\r\t]/g, '')),
    message('Description has invalid characters.'),
  )
  .nullable()

const TRUE = new Set([true, 'True', 'TRUE', 'true', '1', 'ON', 'On', 'on', 'YES', 'Yes', 'yes', 'y', 't'])
const FALSE = new Set([false, 'False', 'FALSE', 'false', '0', 'OFF', 'Off', 'off', 'NO', 'No', 'no', 'n', 'f'])

/** A boolean or one of the words for it. */
export const boolean = z.unknown().transform((value, context): boolean => {
  if (TRUE.has(value as string)) return true
  if (FALSE.has(value as string)) return false
  context.addIssue({
    code: 'custom',
    message: `${typeof value === 'string' ? `'${value}'` : JSON.stringify(value)} is not one of [True, 'True', 'TRUE', 'true', '1', 'ON', 'On', 'on', 'YES', 'Yes', 'yes', 'y', 't', False, 'False', 'FALSE', 'false', '0', 'OFF', 'Off', 'off', 'NO', 'No', 'no', 'n', 'f']`,
  })
  return z.NEVER
})

/** A whole number, or its digits as text. */
export const integer = (minimum: number, maximum = 2_147_483_647) =>
  z.preprocess(
    (value) => (typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value),
    z.int().min(minimum).max(maximum),
  )

export const uuid = z.string().refine((text) => /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i.test(text), {
  error: (issue) => `'${String(issue.input)}' is not a 'uuid'`,
})

const ipVersion = (version: 4 | 6, text: string): boolean =>
  (version === 4 ? z.ipv4() : z.ipv6()).safeParse(text).success
export const ipv4 = z
  .string()
  .refine((text) => text === '' || ipVersion(4, text), { error: (issue) => `'${String(issue.input)}' is not a 'ipv4'` })
/** As RFC 5952 writes it, whichever way it was given. */
export const ipv6 = z
  .string()
  .refine((text) => text === '' || ipVersion(6, text), { error: (issue) => `'${String(issue.input)}' is not a 'ipv6'` })
  .transform((text) => (text === '' ? '' : new URL(`http://[${text}]`).hostname.slice(1, -1)))
export const ip = z.string().refine((text) => ipVersion(4, text) || ipVersion(6, text), {
  error: (issue) => `'${String(issue.input)}' is not an IP address`,
})

/** Of a server: one label; from 2.94 on a name with a domain. */
export const hostname = z
  .string()
  .min(2)
  .max(63)
  .regex(/^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$/)
export const fqdn = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[a-zA-Z0-9-._]*$/)

const metadataKey = z.string().regex(/^[a-zA-Z0-9-_:. ]{1,255}$/)
export const metadata = z.record(metadataKey, z.string().max(255))

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
/** What identifies a service or a hypervisor in paths and markers: its number, from 2.53 its id. */
export type IdKind = 'number' | 'uuid'
export const isIdOf = (kind: IdKind, id: string): boolean => (kind === 'uuid' ? UUID : /^\d{1,15}$/).test(id)

/** Of a server, or of a network interface. */
export const tag = z
  .string()
  .min(1)
  .max(60)
  .regex(/^[^,/]*$/)
export const MOST_TAGS = 50
export const tags = z.array(tag).max(MOST_TAGS)

/** A query parameter that counts once: the last one given. */
const last = (value: unknown): unknown => (Array.isArray(value) ? value.at(-1) : value)
export const once = <S extends z.ZodType>(schema: S) => z.preprocess(last, schema.optional())
/** Every value given. */
export const every = z.preprocess(
  (value) => (value === undefined ? [] : Array.isArray(value) ? value : [value]),
  z.array(z.string()),
)
/** Of a query: nothing at all is nothing said. */
export const digits = z
  .string()
  .regex(/^[0-9]*$/, { error: (issue) => `'${String(issue.input)}' does not match '^[0-9]*$'` })
  .transform((text) => (text === '' ? undefined : Number(text)))

/** Of a query: a date and time, in milliseconds since 1970. */
export const moment = once(
  z.string().transform((text, context) => {
    const ms = parseMoment(text)
    if (ms !== undefined) return ms
    context.addIssue({ code: 'custom', message: `'${text}' is not a 'date-time'` })
    return z.NEVER
  }),
)

/** `limit` and `marker`, as every list takes them. */
export const page = { limit: once(digits), marker: once(z.string()) }

/** A query as a table: what is unknown is ignored, from 2.75 refused. */
export const query = <S extends z.ZodRawShape>(shape: S) =>
  ({ '2.1': z.object(shape), '2.75': z.strictObject(shape) }) as const
