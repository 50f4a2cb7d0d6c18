/** Who may say what about a port, and what stands against a change. Upstream: Neutron's default policy. */
import { privileged, type Caller } from '../../openstack/caller.ts'
import { keyOf, parseAddress } from '../address.ts'
import type { Db } from '../context.ts'
import { badOf, disallowed, groupsConflict, invalid, missing, servicePort, stillFloating } from '../errors.ts'
import type { Wanted } from '../store/allocate.ts'
import type { Port } from '../store/ports.ts'
import { FLOATING_OWNER } from '../store/routers.ts'
import type { PortChanges } from './port-fields.ts'

const isEmpty = (value: string | object | null | undefined): boolean =>
  typeof value === 'object' && value !== null ? Object.keys(value).length === 0 : !value

export const isOfRouter = (owner: string): boolean => owner.startsWith('network:router')
/** A part of the network itself: no packet filter stands before it. */
export const isTrusted = (owner: string): boolean => owner.startsWith('network:')

/** What only the network's owner, an admin or a service may say about a port: it weakens the protection of the others on it. */
export function mustMayShape(
  caller: Caller,
  wanted: PortChanges,
  network: { readonly project_id: string },
  verb: 'create' | 'update',
): void {
  if (isOfRouter(wanted.device_owner ?? '') || wanted.device_owner === FLOATING_OWNER)
    throw invalid(`ports with the device owner ${wanted.device_owner} are made with routers and floating IPs`)
  if (privileged(caller)) return
  // A new port may say that it has none; a bound one may not lose it, for its host would no longer be told of rules.
  for (const name of ['binding:host_id', 'binding:profile'] as const)
    if (verb === 'update' ? wanted[name] !== undefined : !isEmpty(wanted[name]))
      throw disallowed(`${verb}_port:${name}`)
  const own = network.project_id === caller.projectId
  if (wanted.mac_address !== undefined && !(own && (verb === 'create' || caller.roles.has('manager'))))
    throw disallowed(`${verb}_port:mac_address`)
  if (own) return
  if (wanted.port_security_enabled !== undefined) throw disallowed(`${verb}_port:port_security_enabled`)
  if (wanted.allowed_address_pairs?.length) throw disallowed(`${verb}_port:allowed_address_pairs`)
  if (isTrusted(wanted.device_owner ?? '')) throw disallowed(`${verb}_port:device_owner`)
  if (wanted.fixed_ips?.some(({ ip_address: text }) => text !== undefined))
    throw disallowed(`${verb}_port:fixed_ips:ip_address`)
}

/** Errors: 409 for a port that a router or a floating IP has: those are changed and deleted over them. */
export async function mustBeFree(tx: Db, { id, device_owner: owner }: Port): Promise<void> {
  if (!isTrusted(owner)) return
  const router = await tx.selectFrom('router_ports').select('router_id').where('port_id', '=', id).executeTakeFirst()
  const floating = await tx
    .selectFrom('floatingips')
    .select('id')
    .where('floating_port_id', '=', id)
    .limit(1)
    .executeTakeFirst()
  if (router || floating) throw servicePort(id, owner)
}

/** Errors: 409 for a port that another project's floating IP leads to. */
export async function mustOwnFloating(tx: Db, { id, project_id: projectId }: Port): Promise<void> {
  const foreign = await tx
    .selectFrom('floatingips')
    .select('id')
    .where('port_id', '=', id)
    .where('project_id', '!=', projectId)
    .limit(1)
    .executeTakeFirst()
  if (foreign) throw stillFloating(id)
}

/** Errors: 400 when an address would go that a floating IP leads to. */
export async function mustKeepFloating(tx: Db, { id }: Port, wishes: readonly Wanted[]): Promise<void> {
  const rows = await tx.selectFrom('floatingips').select('fixed_address').where('port_id', '=', id).execute()
  const kept = new Set(wishes.flatMap(({ ip_address: text }) => keyOfText(text) ?? []))
  if (rows.some(({ fixed_address: key }) => key !== null && !kept.has(key)))
    throw badOf('port', `a floating IP leads to an address of port ${id} that would go`)
}

const keyOfText = (text: string | undefined): string | undefined => {
  const address = text === undefined ? undefined : parseAddress(text)
  return address && keyOf(address.version, address.value)
}

/** Ids of groups that exist in the port's project, all stateful or none. Errors: 404, 409. */
export async function checkedGroups(db: Db, ids: readonly string[], projectId: string): Promise<readonly string[]> {
  if (ids.length === 0) return []
  const rows = await db
    .selectFrom('security_groups')
    .select(['id', 'stateful'])
    .where('id', 'in', [...new Set(ids)])
    .where('project_id', '=', projectId)
    .execute()
  const known = new Set(rows.map(({ id }) => id))
  for (const id of ids) if (!known.has(id)) throw missing('SecurityGroup', id)
  if (new Set(rows.map(({ stateful }) => stateful)).size > 1) throw groupsConflict()
  return [...known].toSorted()
}
