/**
 * Who may do what, after Keystone's default policy of 2023 and later.
 *
 * - `admin` on a project or on the system may do everything.
 * - `reader` on the system sees everything.
 * - `manager` (so `admin`, too) on a domain manages that domain's users, groups, projects and assignments; `reader` there sees them.
 * - Anybody sees themselves, and where they hold a role.
 */
import { notAllowed } from './errors.ts'
import type { Role } from './store/assignments.ts'
import type { Token } from './store/tokens.ts'

/** A token, and the roles it carries now. */
export interface Holder {
  readonly token: Token
  readonly roles: readonly Role[]
  /** Of the whole cloud. */
  readonly admin: boolean
  /** Another OpenStack service. */
  readonly service: boolean
}

export const has = ({ roles }: Holder, name: string): boolean => roles.some((role) => role.name === name)

export const holder = (token: Token, roles: readonly Role[]): Holder => ({
  token,
  roles,
  admin: token.domainId === null && roles.some(({ name }) => name === 'admin'),
  service: roles.some(({ name }) => name === 'service'),
})

const inDomain = (caller: Holder, domainId: string | null | undefined): boolean =>
  typeof domainId === 'string' && caller.token.domainId === domainId

/** What belongs to a domain, or (without one) to the whole cloud. */
export const maySee = (caller: Holder, domainId?: string | null): boolean =>
  caller.admin ||
  (caller.token.system && has(caller, 'reader')) ||
  (inDomain(caller, domainId) && has(caller, 'reader'))

export const mayManage = (caller: Holder, domainId?: string | null): boolean =>
  caller.admin || (inDomain(caller, domainId) && has(caller, 'manager'))

/** Errors: 403. */
export function must(allowed: boolean, action: string): void {
  if (!allowed) throw notAllowed(action)
}
