/** May this caller do that to this target? Pure. A rule that nobody defined is for administrators. */
import { NovaError } from '../domain/errors.ts'
import { BASE_RULES, FORMER_RULES } from './base-rules.ts'
import { parseRule, RuleError, rulesIn, type Credential, type Expression, type Value } from './language.ts'
import { RULES, type Who } from './rules.ts'

export interface Subject {
  readonly userId: string
  readonly projectId: string
  /** Lower case, as the token has them. The identity service adds those that a role implies. */
  readonly roles: ReadonlySet<string>
  readonly isAdmin: boolean
}
/** Whom the thing belongs to; what is missing is the caller's own. */
export interface Target {
  readonly projectId?: string
  readonly userId?: string
}

export interface Policy {
  allows(rule: string, subject: Subject, target?: Target): boolean
  /** Errors: NovaError Forbidden. */
  check(rule: string, subject: Subject, target?: Target): void
}

/** Whether a caller counts as an administrator: asked once, when it is known who calls. */
export const isAdministrator = ({ allows }: Policy, subject: Omit<Subject, 'isAdmin'>): boolean =>
  allows('context_is_admin', { ...subject, isAdmin: false })

/** The table's words in the rule language. */
const WHO: Readonly<Record<Who, string>> = {
  any: '@',
  reader: 'rule:project_reader_or_admin',
  member: 'rule:project_member_or_admin',
  manager: 'rule:project_manager_or_admin',
  owner: 'rule:context_is_admin or user_id:%(user_id)s',
  service: 'rule:service_or_admin',
  admin: 'rule:context_is_admin',
  nobody: '!',
}
const UNKNOWN = 'context_is_admin'

export interface PolicyOptions {
  /** Without them the former, wider rules are enough, too: `[oslo_policy] enforce_new_defaults`. */
  readonly newDefaults?: boolean
}

export function defaultRules({ newDefaults = true }: PolicyOptions = {}): Readonly<Record<string, string>> {
  const former: Readonly<Record<string, string>> = newDefaults ? {} : FORMER_RULES
  const base = Object.entries(BASE_RULES).map(([name, text]) => [
    name,
    former[name] === undefined ? text : `(${text}) or ${former[name]}`,
  ])
  const table = Object.entries(RULES).map(([name, who]) => [name, WHO[who]])
  return Object.fromEntries([...base, ...table]) as Record<string, string>
}

/** A rule among others that cannot be used. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError'
  readonly rule: string
  constructor(rule: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.rule = rule
  }
}

type Rules = ReadonlyMap<string, Expression>

/** Errors: PolicyError. */
export function parseAll(texts: Readonly<Record<string, string>>): Rules {
  const rules = new Map(
    Object.entries(texts).map(([name, text]) => {
      try {
        return [name, parseRule(text)] as const
      } catch (error) {
        throw error instanceof RuleError ? new PolicyError(name, error.message, { cause: error }) : error
      }
    }),
  )
  const proven = new Set<string>()
  const walk = (name: string, from: readonly string[]): void => {
    if (proven.has(name)) return
    const expression = rules.get(name)
    const user = from.at(-1) ?? name
    if (!expression) throw new PolicyError(user, `it names rule "${name}", which is not defined`)
    if (from.includes(name)) throw new PolicyError(user, `it leads back to itself by rule "${name}"`)
    for (const other of rulesIn(expression)) walk(other, [...from, name])
    proven.add(name)
  }
  for (const name of rules.keys()) walk(name, [])
  return rules
}

/** `overrides` are an operator's: rule name to text, in the rule language. Errors: PolicyError. */
export function policy(overrides: Readonly<Record<string, string>> = {}, options: PolicyOptions = {}): Policy {
  const rules = parseAll({ ...defaultRules(options), ...overrides })
  const allows: Policy['allows'] = (rule, subject, target = {}) => {
    const { projectId = subject.projectId, userId = subject.userId } = target
    return holds({ kind: 'rule', name: rules.has(rule) ? rule : UNKNOWN }, rules, subject, { projectId, userId })
  }
  return {
    allows,
    check: (rule, subject, target) => {
      if (!allows(rule, subject, target)) throw new NovaError('Forbidden', { rule })
    },
  }
}

function holds(expression: Expression, rules: Rules, subject: Subject, target: Required<Target>): boolean {
  const inner = (other: Expression): boolean => holds(other, rules, subject, target)
  switch (expression.kind) {
    case 'anybody':
      return true
    case 'nobody':
      return false
    case 'not':
      return !inner(expression.of)
    case 'and':
      return expression.of.every(inner)
    case 'or':
      return expression.of.some(inner)
    case 'rule': {
      const named = rules.get(expression.name)
      return named !== undefined && inner(named)
    }
    case 'role':
      return subject.roles.has(filled(expression.role, target).toLowerCase())
    case 'credential':
      return credentials(subject, expression.name).includes(filled(expression.value, target))
    case 'text':
      return expression.text === filled(expression.value, target)
  }
}

const filled = (value: Value, { projectId, userId }: Required<Target>): string =>
  value.map((part) => (typeof part === 'string' ? part : part.of === 'project_id' ? projectId : userId)).join('')

function credentials({ userId, projectId, roles, isAdmin }: Subject, name: Credential): readonly string[] {
  switch (name) {
    case 'project_id':
    case 'tenant':
      return [projectId]
    case 'user_id':
    case 'user':
      return [userId]
    case 'roles':
      return [...roles]
    case 'is_admin':
      return [isAdmin ? 'True' : 'False']
    case 'is_admin_project':
      return ['True']
    // Of tokens for the whole system or a domain, which the API does not take.
    case 'system_scope':
    case 'domain_id':
      return []
  }
}
