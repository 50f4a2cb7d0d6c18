/** Who calls, from the token, and what a role lets them do. Every check is on roles the token carries. */
import { forbidden } from './fault.ts'

export interface Caller {
  readonly userId: string
  readonly projectId: string
  readonly roles: ReadonlySet<string>
  /** Cloud-wide: role `admin`. */
  readonly admin: boolean
  /** Role `service`: another OpenStack service at work for somebody's project. */
  readonly service: boolean
}

export const callerOf = (userId: string, projectId: string, roles: readonly string[]): Caller => ({
  userId,
  projectId,
  roles: new Set(roles),
  admin: roles.includes('admin'),
  service: roles.includes('service'),
})

export const privileged = ({ admin, service }: Caller): boolean => admin || service
/** May the caller see what belongs to this project? */
export const owns = (caller: Caller, projectId: string | null): boolean =>
  privileged(caller) || caller.projectId === projectId

/** A reader's token changes nothing. */
export function mustWrite(caller: Caller): void {
  if (!privileged(caller) && !caller.roles.has('member'))
    throw forbidden('The request needs role "member" or higher.', 'PolicyNotAuthorized')
}
