/** What a schema found wrong, in the words of JSON schema, as Nova's clients know them. */
import type { z } from 'zod'

type Issue = z.core.$ZodIssue

/** As Python shows values: texts in quotes, True, None. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`
  if (value === null || value === undefined) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (Array.isArray(value)) return `[${value.map(shown).join(', ')}]`
  if (typeof value === 'object')
    return `{${Object.entries(value)
      .map(([key, item]) => `'${key}': ${shown(item)}`)
      .join(', ')}}`
  return String(value)
}

/** The API's numbers are whole ones. */
const TYPES: Readonly<Record<string, string>> = { record: 'object', int: 'integer', number: 'integer' }

function reason(issue: Issue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return `${shown(value)} is not of type '${TYPES[issue.expected] ?? issue.expected}'`
    case 'unrecognized_keys':
      return `Additional properties are not allowed (${issue.keys.map((key) => `'${key}'`).join(', ')} ${issue.keys.length === 1 ? 'was' : 'were'} unexpected)`
    case 'too_small':
      return issue.origin === 'string' || issue.origin === 'array'
        ? `${shown(value)} is too short`
        : `${shown(value)} is less than the minimum of ${issue.minimum}`
    case 'too_big':
      return issue.origin === 'string' || issue.origin === 'array'
        ? `${shown(value)} is too long`
        : `${shown(value)} is greater than the maximum of ${issue.maximum}`
    case 'invalid_value':
      return `${shown(value)} is not one of ${shown(issue.values)}`
    case 'invalid_key':
      return `${shown(value)} does not match any of the regexes: '^[a-zA-Z0-9-_:. ]{1,255}$'`
    case 'invalid_union':
      return `${shown(value)} is not valid under any of the given schemas`
    default:
      return issue.message
  }
}

const at = (root: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    root,
  )

const MAX_VALUE = 1_000

/** The sentence for the first issue. */
export function invalid(error: z.ZodError, root: unknown, what: 'field/attribute' | 'query parameters'): string {
  const issue = error.issues[0]
  if (!issue) return 'The request is invalid.'
  const { path } = issue
  const value = at(root, path)
  const parent = path.slice(0, -1)
  // A missing key is the fault of the object that lacks it.
  if (value === undefined && path.length > 0 && issue.code !== 'unrecognized_keys')
    return sentence(parent, at(root, parent), `'${String(path.at(-1))}' is a required property`, what)
  return sentence(path, value, reason(issue, value), what)
}

function sentence(path: readonly PropertyKey[], value: unknown, why: string, what: string): string {
  if (path.length === 0) return why
  const text = typeof value === 'string' ? value : shown(value)
  return `Invalid input for ${what} ${String(path.at(-1))}. Value: ${text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)}…` : text}. ${why}`
}
