/** Configuration: one zod object per section, read once from `[section]` INI text (oslo.config's form) and overrides. */
import { z } from 'zod'

export type Sections = Readonly<Record<string, z.ZodObject>>
export type Config<S extends Sections> = { readonly [K in keyof S]: z.output<S[K]> }
type Raw = Record<string, Record<string, string>>

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** `[section]`, `key = value`, `#` and `;` comments, a line that starts with white space goes on with the value before it. */
export function parseIni(text: string, source = 'configuration'): Raw {
  // Without a prototype: a section may be called anything.
  const sections = Object.create(null) as Raw
  let section = 'DEFAULT'
  let key: string | undefined
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*([#;]|$)/.test(line)) continue
    const head = /^\[([^\]]+)\]\s*$/.exec(line)
    const pair = /^([A-Za-z][\w.-]*)\s*[=:]\s*(.*)$/.exec(line)
    const values = () => (sections[section] ??= Object.create(null) as Raw[string])
    if (head?.[1]) [section, key] = [head[1].trim(), undefined]
    else if (/^\s/.test(line) && key) values()[key] += `\n${line.trim()}`
    else if (pair?.[1]) values()[(key = pair[1])] = pair[2]?.trim() ?? ''
    else throw new ConfigError(`${source}, line ${index + 1}: expected "[section]" or "key = value"`)
  }
  return sections
}

/** What a text value becomes, by what the schema wants. */
function typed(value: string, schema: z.ZodType): unknown {
  let inner: z.ZodType = schema
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodOptional || inner instanceof z.ZodPrefault)
    inner = inner.unwrap() as z.ZodType
  if (inner instanceof z.ZodNumber) return value.trim() === '' ? value : Number(value)
  if (inner instanceof z.ZodBoolean)
    return /^(true|yes|on|1)$/i.test(value) ? true : /^(false|no|off|0)$/i.test(value) ? false : value
  if (inner instanceof z.ZodArray)
    return value
      .split(/[,\n]/)
      .map((part) => part.trim())
      .filter(Boolean)
  return value
}

/** Parses every section; unknown sections and keys are errors that name the nearest place. */
export function loadConfig<S extends Sections>(
  sections: S,
  text: string,
  overrides: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {},
  source?: string,
): Config<S> {
  const raw = parseIni(text, source)
  for (const name of Object.keys({ ...raw, ...overrides }))
    if (!Object.hasOwn(sections, name)) throw new ConfigError(`${source ?? 'configuration'}: unknown section [${name}]`)
  const parsed = Object.entries(sections).map(([name, schema]) => {
    const given: Record<string, unknown> = {}
    for (const [key, value] of Object.entries(raw[name] ?? {})) {
      const field = Object.hasOwn(schema.shape, key) ? (schema.shape[key] as z.ZodType) : undefined
      if (!field) throw new ConfigError(`${source ?? 'configuration'}: unknown option ${key} in [${name}]`)
      given[key] = typed(value, field)
    }
    const result = schema.safeParse({ ...given, ...overrides[name] })
    if (!result.success) {
      const issue = result.error.issues[0]
      throw new ConfigError(
        `${source ?? 'configuration'}: [${name}] ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is wrong'}`,
      )
    }
    return [name, result.data] as const
  })
  return Object.fromEntries(parsed) as Config<S>
}
