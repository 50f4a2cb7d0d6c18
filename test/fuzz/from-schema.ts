/** Values that a schema may take, made up from its own definition: what fits mostly, and often enough not quite. */
import fc from 'fast-check'
import type { z } from 'zod'

/** What of a zod definition is read here. */
interface Def {
  readonly type: string
  readonly shape?: Readonly<Record<string, z.ZodType>>
  readonly catchall?: z.ZodType
  readonly element?: z.ZodType
  readonly items?: readonly z.ZodType[]
  readonly options?: readonly z.ZodType[]
  readonly valueType?: z.ZodType
  readonly innerType?: z.ZodType
  readonly entries?: Readonly<Record<string, string | number>>
  readonly values?: readonly unknown[]
  readonly in?: z.ZodType
  readonly out?: z.ZodType
  readonly getter?: () => z.ZodType
}

export interface Known {
  /** Names of what is there. */
  readonly words: readonly string[]
  /** What mostly belongs into a field of a body. */
  readonly fields: Readonly<Record<string, readonly unknown[]>>
}

/** Texts that mean something somewhere: addresses, times, words of enumerations, and what breaks careless code. */
const WORDS: readonly string[] = [
  '', ' ', 'a', 'demo', 'name', 'null', 'true', 'True', 'no', '0', '1', '-1', '9999999999999999999', '1e400', 'NaN', '\0', 'a\0b', '\ud800', '💥',
  '../..', '%', '%00', '__proto__', 'constructor', 'toString', "';--", '(a+)+$', '[', '*', 'x'.repeat(256), 'x'.repeat(70_000),
  '10.0.0.5', '10.0.0.0/24', 'fd00::1', '::', '/24', '2026-01-01T00:00:00Z', '2026-01-01', '99999-01-01T00:00:00', 'auto', 'none', 'nova', 'nova:host1',
  ':::', 'host1', 'AUTO', 'ssh', 'x509', 'image', 'local', 'volume', 'soft-affinity', 'asc', 'desc', 'active', 'ACTIVE', 'YQ==', '{"a":1}', 'default',
  'enabled', 'disabled', 'compute', 'SOFT', 'HARD', 'hw:cpu_policy', 'trait:X',
] // prettier-ignore
const NUMBERS: readonly number[] = [0, 1, 2, -1, 3, 10, 512, 65_535, 2 ** 31 - 1, 2 ** 31, 2 ** 53, 1e308, 0.5, -0]

/** Of all code points: what fast-check has for it takes seconds to put together. */
const anyText = fc
  .array(fc.integer({ min: 0, max: 0x10_ff_ff }), { maxLength: 12 })
  .map((points) => String.fromCodePoint(...points))

/** Made once per argument: arbitraries are costly to put together, and there are thousands of fields. */
function once<K extends object, V>(make: (key: K, known: Known) => V): typeof make {
  const kept = new WeakMap<Known, WeakMap<K, V>>()
  return (key, known) => {
    const mine = kept.get(known) ?? new WeakMap<K, V>()
    kept.set(known, mine)
    const value = mine.get(key) ?? make(key, known)
    mine.set(key, value)
    return value
  }
}

const texts = once((known: Known): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...known.words) },
    { weight: 3, arbitrary: fc.constantFrom(...WORDS) },
    { weight: 1, arbitrary: anyText },
    { weight: 1, arbitrary: fc.uuid() },
  ),
)
export const text = (known: Known): fc.Arbitrary<string> => texts(known, known)

const junks = once((known: Known): fc.Arbitrary<unknown> =>
  fc.oneof(
    text(known),
    fc.constantFrom<unknown>(null, true, false, {}, [], [[]], [null], { a: { b: {} } }, ...NUMBERS),
    fc.jsonValue({ maxDepth: 3 }),
  ),
)
/** Anything that JSON can say. */
export const junk = (known: Known): fc.Arbitrary<unknown> => junks(known, known)

const number = fc.oneof(fc.constantFrom(...NUMBERS), fc.integer(), fc.integer({ min: 0, max: 20 }))
const missing = Symbol('missing')

/** A schema's inputs; one place in forty holds something else altogether. */
export const inputOf = once((schema: z.ZodType, known: Known): fc.Arbitrary<unknown> => {
  const fitting = plainly(schema, known)
  return fc.oneof({ weight: 40, arbitrary: fitting }, { weight: 1, arbitrary: junk(known) })
})

function plainly(schema: z.ZodType, known: Known): fc.Arbitrary<unknown> {
  const def = schema.def as unknown as Def
  const inner = (one: z.ZodType | undefined) => (one ? inputOf(one, known) : junk(known))
  switch (def.type) {
    case 'string':
      return text(known)
    case 'number':
      return fc.oneof(number, number.map(String))
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'undefined':
      return fc.constant(undefined)
    case 'enum':
      return fc.constantFrom(...Object.values(def.entries ?? {}))
    case 'literal':
      return fc.constantFrom(...(def.values ?? []))
    case 'union':
      return fc.oneof(...(def.options ?? []).map(inner))
    case 'array':
      return fc.array(inner(def.element), { maxLength: 4 })
    case 'tuple':
      return fc.tuple(...(def.items ?? []).map(inner))
    case 'record':
      return fc.dictionary(text(known), inner(def.valueType), { maxKeys: 4 })
    case 'object':
      return object(def, known)
    case 'optional':
    case 'default':
    case 'prefault':
    case 'catch':
    case 'readonly':
    case 'nonoptional':
      return inner(def.innerType)
    case 'nullable':
      return fc.oneof({ weight: 1, arbitrary: fc.constant(null) }, { weight: 4, arbitrary: inner(def.innerType) })
    case 'pipe':
      return inner((def.in?.def as unknown as Def | undefined)?.type === 'transform' ? def.out : def.in)
    default:
      return junk(known)
  }
}

/** What is required is mostly there, what is not sometimes, and rarely something that nobody knows. */
function object({ shape = {}, catchall }: Def, known: Known): fc.Arbitrary<unknown> {
  const fields = Object.entries(shape).map(([key, schema]) => {
    const optional = ['optional', 'default'].includes((schema.def as unknown as Def).type)
    const fitting = known.fields[key] ?? []
    const present = fc.oneof(
      { weight: fitting.length > 0 ? 30 : 0, arbitrary: fc.constantFrom(...fitting, null) },
      { weight: optional ? 3 : 10, arbitrary: inputOf(schema, known) },
      { weight: optional ? 30 : 1, arbitrary: fc.constant(missing) },
    )
    return present.map((value) => [key, value] as const)
  })
  const unknownKeys = fc.dictionary(text(known), junk(known), { maxKeys: 2 }).map((extra) => Object.entries(extra))
  const extra = fc.oneof(
    { weight: catchall ? 2 : 40, arbitrary: fc.constant<[string, unknown][]>([]) },
    { weight: 1, arbitrary: unknownKeys },
  )
  return fc
    .tuple(fc.tuple(...fields), extra)
    .map(([own, more]) => Object.fromEntries([...own, ...more].filter(([, value]) => value !== missing)))
}

/** The names that a query's schema knows. */
export function keysOf(schema: z.ZodType | undefined): readonly string[] {
  const def = schema?.def as unknown as Def | undefined
  if (!def) return []
  if (def.type === 'object') return Object.keys(def.shape ?? {})
  return [def.in, def.out, def.innerType].flatMap((inner) => keysOf(inner))
}
