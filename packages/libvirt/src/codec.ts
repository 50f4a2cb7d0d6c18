/**
 * One generic XDR codec over the generated tables; a struct is compiled when it is first used.
 * Kinds: `i` int, `u` unsigned int, `h`/`H` (unsigned) hyper, `d` double, `s` string, `o` opaque, `U` UUID,
 * `c` text in single chars (a negative number: fixed length), `P` typed parameter, or a struct's name.
 * A number after the kind is its own limit; `?` before: may be null; `*n` after: list of at most n.
 */
import { ProtocolError } from './errors.ts'
import { STRUCTS } from './protocol.gen.ts'
import { readTypedParam, writeTypedParam, type TypedParam } from './typed-params.ts'
import { formatUuid, parseUuid } from './uuid.ts'
import type { XdrReader, XdrWriter } from './xdr.ts'

export interface Codec<T = unknown> {
  read(from: XdrReader): T
  write(out: XdrWriter, value: T): void
}
export interface Struct extends Codec<Readonly<Record<string, unknown>>> {
  readonly fields: readonly string[]
}

const STRING_MAX = 4194304
const lines = new Map(
  STRUCTS.trim()
    .split('\n')
    .map((line) => {
      const space = line.indexOf(' ')
      return [line.slice(0, space), line.slice(space + 1)] as const
    }),
)
const compiled = new Map<string, Codec>()

/** `name:kind name:kind ...` -> a codec of objects with these fields. */
export function compileStruct(text: string): Struct {
  const slots = text
    .split(' ')
    .filter(Boolean)
    .map((slot) => {
      const colon = slot.indexOf(':')
      return { name: slot.slice(0, colon), codec: kindCodec(slot.slice(colon + 1)) }
    })
  return {
    fields: slots.map(({ name }) => name),
    read(from) {
      const value: Record<string, unknown> = {}
      for (const { name, codec } of slots) value[name] = codec.read(from)
      return value
    },
    write(out, value) {
      for (const { name, codec } of slots) {
        try {
          codec.write(out, value[name] ?? (name === 'flags' ? 0 : name === 'needResults' ? 1 : value[name]))
        } catch (error) {
          if (error instanceof ArgumentError) throw error.within(name)
          throw error instanceof Error ? new ArgumentError([name], error.message, { cause: error }) : error
        }
      }
    },
  }
}

/** An argument does not fit its field; the message names the way to it. */
class ArgumentError extends TypeError {
  readonly #path: readonly string[]
  readonly #text: string
  constructor(path: readonly string[], text: string, options?: ErrorOptions) {
    super(`${path.join('.')}: ${text}`, options)
    this.#path = path
    this.#text = text
  }
  within(name: string): ArgumentError {
    return new ArgumentError([name, ...this.#path], this.#text, { cause: this.cause })
  }
}

function kindCodec(kind: string): Codec {
  const known = compiled.get(kind)
  if (known) return known
  const codec = makeCodec(kind)
  compiled.set(kind, codec)
  return codec
}

function makeCodec(kind: string): Codec {
  if (kind.startsWith('?')) return optional(kindCodec(kind.slice(1)))
  const star = kind.indexOf('*')
  if (star > 0) return list(kindCodec(kind.slice(0, star)), Number(kind.slice(star + 1)))
  const struct = lines.get(kind)
  if (struct !== undefined) return asObject(compileStruct(struct))
  const base = BASES[kind.charAt(0)]
  if (!base) throw new Error(`unknown kind ${kind}`)
  return base(kind.length > 1 ? Number(kind.slice(1)) : STRING_MAX)
}

function check<T>(what: string, is: (value: unknown) => value is T, codec: Codec<T>): Codec {
  return {
    read: codec.read,
    write(out, value) {
      if (!is(value)) throw new TypeError(`expected ${what}, got ${value === null ? 'null' : typeof value}`)
      codec.write(out, value)
    },
  }
}
const isInt = (value: unknown): value is number => Number.isInteger(value)
const isNumber = (value: unknown): value is number => typeof value === 'number'
const isInteger = (value: unknown): value is number | bigint => typeof value === 'bigint' || Number.isSafeInteger(value)
const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array
const isString = (value: unknown): value is string => typeof value === 'string' && !value.includes('\0')
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null
const isTypedParam = (value: unknown): value is TypedParam => isObject(value) && 'field' in value && 'type' in value
const isArray = (value: unknown): value is readonly unknown[] => Array.isArray(value)

const asObject = (struct: Struct): Codec => check('an object', isObject, struct)

const BASES: Readonly<Record<string, (limit: number) => Codec>> = {
  i: () => check('an integer', isInt, { read: (from) => from.int(), write: (out, value) => out.int(value) }),
  u: () => check('an integer', isInt, { read: (from) => from.uint(), write: (out, value) => out.uint(value) }),
  h: () =>
    check('an integer', isInteger, { read: (from) => from.hyper(), write: (out, value) => out.hyper(BigInt(value)) }),
  H: () =>
    check('an integer', isInteger, {
      read: (from) => from.unsignedHyper(),
      write: (out, value) => out.unsignedHyper(BigInt(value)),
    }),
  d: () => check('a number', isNumber, { read: (from) => from.double(), write: (out, value) => out.double(value) }),
  s: (limit) =>
    check('a string without NUL', isString, {
      read: (from) => from.string(limit),
      write(out, value) {
        if (Buffer.byteLength(value) > limit) throw new RangeError(`longer than ${limit} bytes`)
        out.string(value)
      },
    }),
  o: (limit) =>
    check('bytes', isBytes, {
      read: (from) => from.opaque(limit),
      write(out, value) {
        if (value.length > limit) throw new RangeError(`longer than ${limit} bytes`)
        out.opaque(value)
      },
    }),
  U: () =>
    check('a UUID', isString, {
      read: (from) => formatUuid(from.fixed(16)),
      write: (out, value) => out.fixed(parseUuid(value)),
    }),
  c: (limit) => check('a string without NUL', isString, charText(limit)),
  P: () =>
    check('a typed parameter', isTypedParam, {
      read: (from) => readTypedParam(from, STRING_MAX),
      write: writeTypedParam,
    }),
}

/** C's `char[]`: one XDR word per character, ended by NUL. */
function charText(limit: number): Codec<string> {
  const fixed = limit < 0
  const max = Math.abs(limit)
  return {
    read(from) {
      const bytes = Buffer.alloc(fixed ? max : from.length(max))
      for (let index = 0; index < bytes.length; index++) bytes[index] = from.int() & 0xff
      const end = bytes.indexOf(0)
      return bytes.toString('utf8', 0, end < 0 ? bytes.length : end)
    },
    write(out, value) {
      const bytes = Buffer.from(value)
      if (bytes.length > max) throw new RangeError(`longer than ${max} bytes`)
      if (!fixed) out.uint(bytes.length)
      for (let index = 0; index < (fixed ? max : bytes.length); index++) out.int(bytes[index] ?? 0)
    },
  }
}

function optional(inner: Codec): Codec {
  return {
    read(from) {
      const present = from.uint()
      if (present > 1) throw new ProtocolError(`presence flag ${present}`)
      return present ? inner.read(from) : null
    },
    write(out, value) {
      const present = value !== null && value !== undefined
      out.uint(present ? 1 : 0)
      if (present) inner.write(out, value)
    },
  }
}

function list(inner: Codec, limit: number): Codec {
  return check('a list', isArray, {
    read(from) {
      const length = from.length(limit)
      const values: unknown[] = []
      for (let index = 0; index < length; index++) values.push(inner.read(from))
      return values
    },
    write(out, values) {
      if (values.length > limit) throw new RangeError(`more than ${limit} entries`)
      out.uint(values.length)
      for (const value of values) inner.write(out, value)
    },
  })
}
