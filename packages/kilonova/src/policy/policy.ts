/** May this caller do that to this target? Pure. A rule that is not in the table is for administrators. */
import { NovaError } from '../domain/errors.ts'
import { RULES, type Who } from './rules.ts'

export interface Subject {
  readonly userId: string
  readonly projectId: string
  /** Lower case, as the token has them; a higher role includes the lower ones. */
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

const ROLES = { reader: ['reader', 'member', 'manager'], member: ['member', 'manager'], manager: ['manager'] } as const

function fits(who: Who, { userId, projectId, roles, isAdmin }: Subject, target: Target): boolean {
  if (who === 'nobody') return false
  if (isAdmin || who === 'any') return true
  switch (who) {
    case 'admin':
      return false
    case 'service':
      return roles.has('service')
    case 'owner':
      return (target.userId ?? userId) === userId
    case 'reader':
    case 'member':
    case 'manager':
      return (target.projectId ?? projectId) === projectId && ROLES[who].some((role) => roles.has(role))
  }
}

/** `overrides` are an operator's: rule name to who may. */
export function policy(overrides: Readonly<Record<string, Who>> = {}): Policy {
  const table: Readonly<Record<string, Who>> = { ...RULES, ...overrides }
  const allows: Policy['allows'] = (rule, subject, target = {}) => fits(table[rule] ?? 'admin', subject, target)
  return {
    allows,
    check: (rule, subject, target) => {
      if (!allows(rule, subject, target)) throw new NovaError('Forbidden', { rule })
    },
  }
}
