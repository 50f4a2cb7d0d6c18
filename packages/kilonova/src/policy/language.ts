/**
 * oslo.policy's rule language: `role:member and project_id:%(project_id)s`. Text in, expression out; pure.
 *
 *   or     = and ("or" and)*          check = "@" (anybody) | "!" (nobody) | "rule:" name | "role:" value
 *   and    = unary ("and" unary)*           | credential ":" value | "'text'" ":" value
 *   unary  = "not" unary | "(" or ")" | check          value = text with %(project_id)s, %(user_id)s
 *
 * An empty text is `@`. The forms that ask another server (`http:`) and the old lists of lists are refused.
 */

export type Expression =
  | { readonly kind: 'anybody' | 'nobody' }
  | { readonly kind: 'not'; readonly of: Expression }
  | { readonly kind: 'and' | 'or'; readonly of: readonly Expression[] }
  | { readonly kind: 'rule'; readonly name: string }
  | { readonly kind: 'role'; readonly role: Value }
  | { readonly kind: 'credential'; readonly name: Credential; readonly value: Value }
  | { readonly kind: 'text'; readonly text: string; readonly value: Value }

/** Texts, and names of what the target has. */
export type Value = readonly (string | { readonly of: TargetField })[]

const TARGET_FIELDS = ['project_id', 'user_id'] as const
type TargetField = (typeof TARGET_FIELDS)[number]
const CREDENTIALS = [
  'project_id',
  'user_id',
  'roles',
  'is_admin',
  'tenant',
  'user',
  'system_scope',
  'domain_id',
  'is_admin_project',
] as const
export type Credential = (typeof CREDENTIALS)[number]

/** A text that is no rule; the message says why. */
export class RuleError extends Error {
  override readonly name = 'RuleError'
}

const isOneOf = <const T extends string>(all: readonly T[], text: string): text is T =>
  (all as readonly string[]).includes(text)

/** Brackets stand by themselves only at the ends of a word: those of `%(project_id)s` do not. */
function tokensOf(text: string): readonly string[] {
  return text.split(/\s+/).flatMap((word) => {
    const open = /^\(*/.exec(word)?.[0] ?? ''
    const rest = word.slice(open.length)
    const close = /\)*$/.exec(rest)?.[0] ?? ''
    const middle = rest.slice(0, rest.length - close.length)
    return [...open, ...(middle === '' ? [] : [middle]), ...close]
  })
}

function valueOf(text: string): Value {
  const parts: (string | { of: TargetField })[] = []
  let rest = text
  for (let at = rest.indexOf('%'); at >= 0; at = rest.indexOf('%')) {
    const [whole = '', name = ''] = /^%(?:%|\((\w+)\)s)/.exec(rest.slice(at)) ?? []
    if (whole === '') throw new RuleError(`in "${text}", % is not followed by (name)s`)
    parts.push(rest.slice(0, at))
    if (whole === '%%') parts.push('%')
    else if (isOneOf(TARGET_FIELDS, name)) parts.push({ of: name })
    else throw new RuleError(`%(${name})s is not known of a target: there are ${TARGET_FIELDS.join(' and ')}`)
    rest = rest.slice(at + whole.length)
  }
  return [...parts, rest].filter((part) => part !== '')
}

const LITERAL = /^(?:'([^']*)'|"([^"]*)"|(True|False|None|-?\d+(?:\.\d+)?))$/

function checkOf(word: string): Expression {
  if (word === '@') return { kind: 'anybody' }
  if (word === '!') return { kind: 'nobody' }
  const colon = word.indexOf(':')
  if (colon <= 0) throw new RuleError(`"${word}" is no check: expected kind:value, @, !, and, or, not or brackets`)
  const [kind, text] = [word.slice(0, colon), word.slice(colon + 1)]
  if (kind === 'rule') return { kind: 'rule', name: text }
  if (kind === 'role') return { kind: 'role', role: valueOf(text) }
  if (kind === 'http' || kind === 'https') throw new RuleError(`checks by another server (${kind}:) are not supported`)
  const literal = LITERAL.exec(kind)
  if (literal) return { kind: 'text', text: literal[1] ?? literal[2] ?? literal[3] ?? '', value: valueOf(text) }
  if (isOneOf(CREDENTIALS, kind)) return { kind: 'credential', name: kind, value: valueOf(text) }
  throw new RuleError(`"${kind}" is not known of a caller: there are role, rule, ${CREDENTIALS.join(', ')}`)
}

const MAX_DEPTH = 100

/** Errors: RuleError. */
export function parseRule(text: string): Expression {
  const tokens = text.trim() === '' ? ['@'] : tokensOf(text.trim())
  let at = 0
  const next = (): string | undefined => tokens[at]?.toLowerCase()

  function series(kind: 'and' | 'or', item: (depth: number) => Expression, depth: number): Expression {
    const items = [item(depth)]
    while (next() === kind) {
      at += 1
      items.push(item(depth))
    }
    const [first] = items
    return items.length === 1 && first ? first : { kind, of: items }
  }
  const or = (depth: number): Expression => series('or', and, depth)
  const and = (depth: number): Expression => series('and', unary, depth)
  function unary(depth: number): Expression {
    if (depth > MAX_DEPTH) throw new RuleError('it is nested too deeply')
    const word = tokens[at++]
    switch (word?.toLowerCase()) {
      case undefined:
        throw new RuleError('it ends where a check is expected')
      case 'not':
        return { kind: 'not', of: unary(depth + 1) }
      case '(': {
        const inner = or(depth + 1)
        if (tokens[at++] !== ')') throw new RuleError('a bracket is not closed')
        return inner
      }
      case 'and':
      case 'or':
      case ')':
        throw new RuleError(`"${word}" stands where a check is expected`)
      default:
        return checkOf(word ?? '')
    }
  }
  const whole = or(0)
  if (at < tokens.length) throw new RuleError(`"${tokens[at]}" stands where "and" or "or" is expected`)
  return whole
}

/** The rules that an expression names. */
export function rulesIn(expression: Expression): readonly string[] {
  switch (expression.kind) {
    case 'rule':
      return [expression.name]
    case 'not':
      return rulesIn(expression.of)
    case 'and':
    case 'or':
      return expression.of.flatMap(rulesIn)
    default:
      return []
  }
}
