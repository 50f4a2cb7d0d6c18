/** Attaching and detaching interfaces. Upstream: nova/api/openstack/compute/attach_interfaces.py, and what it reaches in nova/network/neutron.py. */
import { attachInterface, type AttachBody } from '../../actions/attach-interface.ts'
import { admit } from '../../actions/admit.ts'
import { detachInterface } from '../../actions/detach-interface.ts'
import type { ServerAction } from '../../actions/define.ts'
import { findServer } from '../../db/servers.ts'
import { readJournal } from '../../db/tasks.ts'
import { NovaError } from '../../domain/errors.ts'
import type { Server } from '../../domain/server.ts'
import { denied } from '../../task/denied.ts'
import { awaitTask } from '../await-task.ts'
import type { Ctx } from '../context.ts'
import { ApiFault, badRequest } from '../faults.ts'

export interface Attachment {
  readonly net_id?: string | undefined
  readonly port_id?: string | undefined
  readonly fixed_ips?: readonly [{ readonly ip_address: string }] | undefined
  readonly tag?: string | undefined
}

/** Upstream's `rpc_response_timeout`: so long a request waits for its compute. */
const ANSWER_MS = 60_000
/** Upstream does one after the other for a server. */
const IN_TURN: readonly Server['taskState'][] = [attachInterface.taskState, detachInterface.taskState]

/** Errors: those of a server that is locked, or in a state in which it cannot be asked for. */
async function mustAllow(ctx: Ctx, action: ServerAction, target: Server): Promise<Server> {
  let server = target
  if (server.taskId !== null && IN_TURN.includes(server.taskState)) {
    await awaitTask(ctx, server.id, server.taskId, ANSWER_MS)
    server = (await findServer(ctx.db, server.id)) ?? server
  }
  const problem = denied(action.shownAs.action, action, server, ctx.caller.isAdmin)
  if (problem) throw problem
  return server
}

/** Attaches, and answers with the port's id once it is. Errors: 400, 403, 404, 409, 500. */
export async function attach(ctx: Ctx, target: Server, asked: Attachment): Promise<string> {
  const { net_id: networkId, port_id: portId, tag } = asked
  const fixedIp = asked.fixed_ips?.[0].ip_address
  if (networkId !== undefined && portId !== undefined) throw badRequest('Must not input both network_id and port_id')
  if (fixedIp !== undefined && networkId === undefined)
    throw badRequest('Must input network_id when request IP address')
  const server = await mustAllow(ctx, attachInterface, target)
  const body: AttachBody = {
    ...(portId === undefined
      ? { networkId: await usableNetwork(ctx, networkId) }
      : { networkId: await networkOfPort(ctx, server, portId), portId }),
    ...(fixedIp === undefined ? {} : { fixedIp }),
    ...(tag === undefined ? {} : { tag }),
  }
  const taskId = await admit(ctx, ctx.caller, attachInterface, server.id, body)
  const end = await awaitTask(ctx, server.id, taskId, ANSWER_MS)
  if (end === 'succeeded') return madePort(ctx, taskId)
  const fault = end === 'undone' ? (await findServer(ctx.db, server.id))?.fault : undefined
  throw fault
    ? new ApiFault(fault.code, fault.message)
    : new ApiFault(500, `The interface was not attached to instance ${server.id} in time.`)
}

async function madePort({ db }: Ctx, taskId: string): Promise<string> {
  const done = (await readJournal(db, taskId)).find(({ event, step }) => event === 'done' && step === 'port')
  return (JSON.parse(done?.data ?? '{}') as { portId?: string }).portId ?? ''
}

/** The port's network. Errors: PortNotFound, PortNotUsable, PortInUse. */
async function networkOfPort({ neutron, caller }: Ctx, server: Server, id: string): Promise<string> {
  const port = await neutron.port(id, caller.token)
  if (!port) throw new NovaError('PortNotFound', { id })
  if (port.projectId !== server.projectId) throw new NovaError('PortNotUsable', { id, server: server.id })
  if (port.deviceId !== '') throw new NovaError('PortInUse', { id })
  if (port.fixedIps.length === 0) throw badRequest(`Port ${id} requires a FixedIP in order to be used.`)
  return port.networkId
}

/** The one asked for, or the only one there is. Errors: NetworkNotFound, ExternalNetworkAttachForbidden, NetworkWithoutSubnet, 400. */
async function usableNetwork({ neutron, caller, at }: Ctx, id: string | undefined): Promise<string> {
  if (id === undefined) {
    const usable = await neutron.availableNetworks(caller.projectId, caller.token)
    const [only, ...more] = usable.filter(({ subnets }) => subnets.length > 0)
    if (more.length > 0)
      throw badRequest(
        'More than one possible network found. Specify network ID(s) to select which one(s) to connect to.',
      )
    if (!only)
      throw badRequest(`No specific network was requested and none are available for project '${caller.projectId}'.`)
    return only.id
  }
  const network = await neutron.network(id, caller.token)
  if (!network) throw new NovaError('NetworkNotFound', { id })
  if (network.external && !network.shared && !at.allows('network:attach_external_network'))
    throw new NovaError('ExternalNetworkAttachForbidden', { id })
  if (network.subnets.length === 0) throw new NovaError('NetworkWithoutSubnet', { id })
  return id
}

/** Errors: PortNotFound, and those of the server's state. */
export async function detach(ctx: Ctx, target: Server, portId: string): Promise<void> {
  const server = await mustAllow(ctx, detachInterface, target)
  const ports = await ctx.neutron.portsOf(server)
  if (!ports.some(({ id }) => id === portId)) throw new NovaError('PortNotFound', { id: portId })
  await admit(ctx, ctx.caller, detachInterface, server.id, { portId })
}
