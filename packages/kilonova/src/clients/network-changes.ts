/** What hosts must be told of ports that run: the network service's feed of changes, and the facts of many ports in a handful of requests. */
import type { PortFacts } from '../virt/driver.ts'
import { serviceOf } from './as-us.ts'
import type { Keystone } from './keystone.ts'
import { portOf, type PortBody } from './neutron-bodies.ts'
import { freshSources, inChunks, portFacts, type ReadList } from './neutron-facts.ts'
import { readRouters, type Routers } from './neutron-routers.ts'
import type { NeutronOptions, Port } from './neutron.ts'
import { refused } from './service.ts'

/** Ids of what changed since a cursor. */
export interface Changes {
  /** Where to go on. */
  readonly cursor: string
  /** It cannot tell what changed: anything may have. */
  readonly all: boolean
  readonly ports: readonly string[]
  readonly networks: readonly string[]
  readonly routers: readonly string[]
}

/** Which ports; of a server, and bound to a host, they all are. */
export type WhichPorts =
  | { readonly by: 'id' | 'network_id' | 'binding:host_id'; readonly values: readonly string[] }
  | 'all'

export interface NetworkChanges {
  /** Waits until something changed, or so long. Undefined: the service tells nobody (it is not our companion). */
  since(cursor: string | undefined, waitSeconds: number, signal: AbortSignal): Promise<Changes | undefined>
  boundPorts(which: WhichPorts): Promise<readonly Port[]>
  /** Those of these ids that there are, bound or not. */
  ports(ids: readonly string[]): Promise<readonly Port[]>
  /** As they are now, in the ports' order. */
  facts(ports: readonly Port[], hostnameOf: (port: Port) => string): Promise<readonly PortFacts[]>
  routers(): Promise<Routers>
}

const NETWORK = 'network'
const COMPUTE_OWNER = 'compute:'
/** The answer may take that much longer than it was told to wait. */
const GRACE_MS = 15_000

export function networkChanges(keystone: Keystone, { endpoint }: Pick<NeutronOptions, 'endpoint'>): NetworkChanges {
  const service = serviceOf(keystone, { type: NETWORK, endpoint })
  const list: ReadList = async <T>(collection: string, query: string) => {
    const answer = await service.request('GET', `/v2.0/${collection}?${query}`)
    if (answer.status !== 200) throw refused(NETWORK, answer)
    return (answer.body as Record<string, readonly T[]>)[collection.replaceAll('-', '_')] ?? []
  }
  return {
    since: async (cursor, waitSeconds, signal) => {
      const query = new URLSearchParams({
        wait: String(waitSeconds),
        ...(cursor === undefined ? {} : { since: cursor }),
      })
      const answer = await service.request('GET', `/v2.0/kilonova/changes?${query}`, undefined, undefined, {
        timeoutMs: waitSeconds * 1000 + GRACE_MS,
        signal,
      })
      if (answer.status === 404) return undefined
      if (answer.status !== 200) throw refused(NETWORK, answer)
      return answer.body as Changes
    },
    boundPorts: async (which) => {
      const bodies =
        which === 'all'
          ? await list<PortBody>('ports', '')
          : await inChunks<PortBody>(list, 'ports', which.by, [...new Set(which.values)])
      return bodies.map(portOf).filter(({ host, deviceOwner }) => host !== '' && deviceOwner.startsWith(COMPUTE_OWNER))
    },
    ports: async (ids) => (await inChunks<PortBody>(list, 'ports', 'id', [...new Set(ids)])).map(portOf),
    facts: async (ports, hostnameOf) => portFacts(ports, hostnameOf, await freshSources(list, ports)),
    routers: () => readRouters(list),
  }
}
