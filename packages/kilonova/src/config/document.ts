/** docs/configuration.md, from the schema: what there is to set, what it is when it is not set, and in which unit. */
import { z } from 'zod'
import { SECTIONS } from './index.ts'

const INTRO = `# Configuration

Every option there is, made from the schema by \`scripts/generate-docs.ts\`. A file has \`[section]\` lines and \`option = value\` lines;
\`#\` and \`;\` begin comments, a line that starts with white space goes on with the value before it, lists are separated by commas.
An unknown section or option, or a value that does not fit, ends the start with a sentence that names the place.
Names are OpenStack's where OpenStack has the option.
`

interface Meta {
  readonly description?: string
  readonly unit?: string
  /** Instead of a default that differs from machine to machine. */
  readonly shown?: string
}

function unwrapped(schema: z.ZodType): { readonly inner: z.ZodType; readonly fallback: unknown } {
  if (schema instanceof z.ZodDefault)
    return { inner: unwrapped(schema.unwrap() as z.ZodType).inner, fallback: schema.def.defaultValue }
  if (schema instanceof z.ZodOptional)
    return { inner: unwrapped(schema.unwrap() as z.ZodType).inner, fallback: undefined }
  return { inner: schema, fallback: undefined }
}

function kind(schema: z.ZodType, { unit }: Meta): string {
  if (schema instanceof z.ZodEnum) return schema.options.map((option) => `\`${String(option)}\``).join(', ')
  if (schema instanceof z.ZodArray) return 'list'
  if (schema instanceof z.ZodBoolean) return 'yes or no'
  if (schema instanceof z.ZodNumber) return unit ?? 'number'
  return 'text'
}

const value = (fallback: unknown): string => {
  if (fallback === undefined || fallback === '') return ''
  return `\`${Array.isArray(fallback) ? fallback.join(', ') : String(fallback)}\``
}

function section([name, schema]: [string, z.ZodObject]): string {
  const rows = Object.entries(schema.shape).map(([option, field]) => {
    const given = field as z.ZodType
    const meta = (given.meta() ?? {}) as Meta
    const { inner, fallback } = unwrapped(given)
    return `| \`${option}\` | ${kind(inner, meta)} | ${meta.shown ?? value(fallback)} | ${meta.description ?? ''} |`
  })
  return [`## [${name}]`, '', '| Option | Kind or unit | Default | Meaning |', '|---|---|---|---|', ...rows, ''].join(
    '\n',
  )
}

export const configurationPage = (): string => [INTRO, ...Object.entries(SECTIONS).map(section)].join('\n')
