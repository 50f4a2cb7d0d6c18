/** `/v2.0/kilonova/changes`: ours, not Neutron's. What hosts have to apply, told as it happens to who asks with a long poll. */
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { parsed } from '../../openstack/body.ts'
import { privileged } from '../../openstack/caller.ts'
import { withCaller } from '../../openstack/token-check.ts'
import type { Changed } from '../changes.ts'
import type { NetworkContext } from '../context.ts'
import { disallowed } from '../errors.ts'
import { boundPortsOf, routersOn } from '../store/concerned.ts'

const MAX_WAIT_S = 60
/** More than these are told as "all". */
const MAX_TOLD = 5_000
/** After an answer: that many times what it took to find, at most so long. */
const REST = { times: 4, mostMs: 200 }

const query = z.object({
  since: z.string().max(64).optional(),
  wait: z.coerce.number().min(0).max(MAX_WAIT_S).default(0),
})

const NOTHING = { ports: [], networks: [], routers: [] }

export function changeRoutes(app: FastifyInstance, { check, changes, database }: NetworkContext): void {
  /** Not before this is looked again: in a storm of changes most of the time is for those who make them. */
  let restUntil = 0
  const told = async (changed: Changed) => {
    const began = performance.now()
    const ports = new Set([...changed.port, ...(await boundPortsOf(database.kysely, changed.rules, changed.members))])
    const routers = new Set([...changed.router, ...(await routersOn(database.kysely, changed.network))])
    const took = performance.now() - began
    restUntil = performance.now() + Math.min(REST.mostMs, REST.times * took)
    return { ports: [...ports], networks: [...changed.network], routers: [...routers] }
  }
  const empty = ({ ports, networks, routers }: Awaited<ReturnType<typeof told>>) =>
    ports.length + networks.length + routers.length === 0

  app.addHook('preClose', (done) => {
    changes.close()
    done()
  })
  app.get(
    '/v2.0/kilonova/changes',
    withCaller(check, async (caller, request, reply) => {
      if (!privileged(caller)) throw disallowed('get_changes')
      const { since, wait } = parsed(query, request.query, 'InvalidInput')
      const until = performance.now() + wait * 1000
      const gone = new AbortController()
      reply.raw.once('close', () => gone.abort())
      for (let place = since; place !== undefined;) {
        const rest = restUntil - performance.now()
        if (rest > 0 && place !== changes.now()) await delay(rest)
        const cursor = changes.now()
        const changed = changes.since(place)
        if (!changed || Object.values(changed).some(({ size }) => size > MAX_TOLD)) break
        const answer = await told(changed)
        if (!empty(answer) || !(await changes.wait(cursor, until - performance.now(), gone.signal)))
          return { cursor, all: false, ...answer }
        place = cursor
      }
      return { cursor: changes.now(), all: true, ...NOTHING }
    }),
  )
}
