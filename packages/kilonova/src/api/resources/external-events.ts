/** What other services tell of servers: each event becomes a row that a waiting task finds, and whoever waits is woken. */
import { z } from 'zod'
import { admit } from '../../actions/admit.ts'
import { loseInterface } from '../../actions/detach-interface.ts'
import { showsPort } from '../../actions/ports.ts'
import { insertEvent } from '../../db/events.ts'
import { findServer } from '../../db/servers.ts'
import { isNovaError } from '../../domain/errors.ts'
import type { Server } from '../../domain/server.ts'
import { SERVER_EVENT } from '../../rpc/conductor.ts'
import type { Ctx } from '../context.ts'
import { refreshPorts } from '../refresh-ports.ts'
import { post } from '../resource.ts'

const NAMES = ['network-changed', 'network-vif-plugged', 'network-vif-unplugged', 'network-vif-deleted']
const v51 = [...NAMES, 'volume-extended']
const v76 = [...v51, 'power-update']
const v82 = [...v76, 'accelerator-request-bound']
const v93 = [...v82, 'volume-reimaged']

const event = (names: readonly string[]) =>
  z.strictObject({
    name: z.enum(names),
    server_uuid: z
      .string()
      .regex(/^[0-9a-fA-F-]{36}$/, { error: (issue) => `'${String(issue.input)}' is not a 'uuid'` }),
    status: z.enum(['failed', 'completed', 'in-progress']).default('completed'),
    tag: z.string().max(255).optional(),
  })
const body = (names: readonly string[]) => z.strictObject({ events: z.array(event(names)).min(1).max(1_000) })
type Event = z.output<ReturnType<typeof event>>
interface Outcome extends Event {
  readonly code: number
}

/** Whom they are about is said by their tag alone. */
const TAGGED: readonly string[] = ['volume-extended', 'power-update', 'accelerator-request-bound']
/** The port is no longer the server's: its interface is detached. What stands in the way now, whoever watches the network service waits for. */
async function lose(ctx: Ctx, server: Server, portId: string): Promise<void> {
  try {
    await admit(ctx, ctx.caller, loseInterface, server.id, { portId })
  } catch (error) {
    if (!isNovaError(error, 'InstanceInvalidState')) throw error
    ctx.log.info('a lost interface is detached later', { server: server.id, port: portId, error })
  }
}

/** After these the ports of the server are looked at anew. */
const OF_PORTS: readonly string[] = ['network-changed', 'network-vif-deleted']

async function take(ctx: Ctx, asked: Event): Promise<Outcome> {
  const { db, bus, clock, log } = ctx
  const failed = (code: number): Outcome => ({ ...asked, status: 'failed', code })
  const server = await findServer(db, asked.server_uuid)
  if (!server) return failed(404)
  if (TAGGED.includes(asked.name) && asked.tag === undefined) return failed(400)
  if (server.host === null) return failed(422)
  await insertEvent(db, server.id, asked.name, asked.tag ?? '', { status: asked.status }, clock.now())
  bus.publish(SERVER_EVENT, { serverId: server.id })
  if (asked.name === 'network-vif-deleted' && asked.tag !== undefined && showsPort(server, asked.tag))
    await lose(ctx, server, asked.tag)
  // One that is being made writes its addresses itself.
  if (OF_PORTS.includes(asked.name) && server.vmState !== 'building')
    await refreshPorts(ctx, server).catch((error: unknown) =>
      log.warn('ports of a server not looked at', { server: server.id, error }),
    )
  return { ...asked, status: 'completed', code: 200 }
}

export const externalEvents = [
  post('/os-server-external-events', {
    policy: 'os_compute_api:os-server-external-events:create',
    body: { '2.1': body(NAMES), '2.51': body(v51), '2.76': body(v76), '2.82': body(v82), '2.93': body(v93) },
    run: async (ctx, { body: { events } }) => {
      const outcomes: Outcome[] = []
      for (const each of events) outcomes.push(await take(ctx, each))
      ctx.setStatus(outcomes.every(({ code }) => code === 200) ? 200 : 207)
      return outcomes
    },
    view: (outcomes) => ({ events: outcomes }),
  }),
]
