/** Networks and ports. Upstream: Neutron v2.0. Calls without a token are made with ours (an administrator of the network service). */
import { hash } from 'node:crypto'
import type { Clock } from '@kilonova/base/clock.ts'
import { NovaError } from '../domain/errors.ts'
import type { Server } from '../domain/server.ts'
import type { PortFacts } from '../virt/driver.ts'
import { serviceOf } from './as-us.ts'
import { kept } from './kept.ts'
import type { Keystone } from './keystone.ts'
import { groupOf, networkOf, portOf, type GroupBody, type NetworkBody, type PortBody } from './neutron-bodies.ts'
import { keptSources, portFacts } from './neutron-facts.ts'
import { refused } from './service.ts'

export interface Network {
  readonly id: string
  readonly name: string
  readonly mtu: number
  readonly projectId: string
  readonly shared: boolean
  /** Where routers lead out to. */
  readonly external: boolean
  readonly adminUp: boolean
  readonly subnets: readonly string[]
  readonly portSecurity: boolean
  readonly tags: readonly string[]
}

export interface Port {
  readonly id: string
  readonly networkId: string
  readonly projectId: string
  readonly mac: string
  readonly fixedIps: readonly { readonly address: string; readonly subnetId: string }[]
  readonly deviceId: string
  readonly deviceOwner: string
  readonly host: string
  readonly vifType: string
  readonly status: string
  readonly adminUp: boolean
  readonly allowedPairs: PortFacts['allowedPairs']
  readonly securityGroups: readonly string[]
  readonly portSecurity: boolean
  readonly tags: readonly string[]
}

export interface NewPort {
  readonly networkId: string
  readonly projectId: string
  readonly serverId: string
  readonly zone: string
  readonly host: string
  /** Written on the port, so that a repeated step finds what it made: `kilonova:<step key>:<index>`. */
  readonly tag: string
  readonly fixedIp?: string
  /** Ids; empty means the project's default group. */
  readonly securityGroups: readonly string[]
  readonly hostname: string
}

export interface SecurityGroup {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly projectId: string
  readonly rules: readonly {
    readonly id: string
    readonly direction: 'ingress' | 'egress'
    readonly version: 4 | 6
    readonly protocol: string | null
    readonly portMin: number | null
    readonly portMax: number | null
    readonly remotePrefix: string | null
    readonly remoteGroupId: string | null
  }[]
}

/** What tells a server's ports from others that carry its id. */
export type PortOwner = Pick<Server, 'id' | 'projectId' | 'requestedNics'>

export interface Neutron {
  /** Seen with the user's token: undefined when it is not theirs to use. */
  network(id: string, token: string): Promise<Network | undefined>
  /** Networks that the user's project may use when none was named: its own, or else the shared ones. */
  availableNetworks(projectId: string, token: string): Promise<readonly Network[]>
  port(id: string, token?: string): Promise<Port | undefined>
  /** The ids of security groups given by name or id. Errors: NovaError UnknownSecurityGroup. */
  securityGroups(namesOrIds: readonly string[], projectId: string, token: string): Promise<readonly string[]>
  /** Security groups by id, with their rules. */
  groups(ids: readonly string[]): Promise<readonly SecurityGroup[]>
  /** The ports that are the server's: of its project, or given to it at create. Anybody may write a server's id on a port of their own. */
  portsOf(server: PortOwner): Promise<readonly Port[]>
  /** Errors: NovaError ServiceRefused with the network service's words (no address left, quota). */
  createPort(port: NewPort): Promise<Port>
  /** Gives the user's own port to the server. */
  bindPort(
    id: string,
    binding: { readonly serverId: string; readonly host: string; readonly zone: string },
  ): Promise<Port>
  /** Takes it back; the port stays. */
  unbindPort(id: string): Promise<void>
  /** It stays its server's, which lives on no host for a while. */
  leaveHost(id: string): Promise<void>
  /** Succeeds when it is gone already. */
  deletePort(id: string): Promise<void>
  /** All that a host must know of these ports: networks, subnets and the rules of their groups. */
  facts(ports: readonly Port[], hostname: string): Promise<readonly PortFacts[]>
}

export interface NeutronOptions {
  /** Instead of what the catalog says. */
  readonly endpoint: string | undefined
  readonly clock: Clock
}

const NETWORK = 'network'
const KEPT_MS = 2_000
const EXTENSIONS_KEPT_MS = 300_000
const MAX_KEPT = 5_000

export function neutron(keystone: Keystone, { endpoint, clock }: NeutronOptions): Neutron {
  const service = serviceOf(keystone, { type: NETWORK, endpoint })
  const networks = kept<Network | undefined>(clock, (network) => (network ? KEPT_MS : 0), MAX_KEPT)
  const available = kept<readonly Network[]>(clock, (found) => (found.length > 0 ? KEPT_MS : 0), MAX_KEPT)
  const groups = kept<readonly GroupBody[]>(clock, KEPT_MS, MAX_KEPT)
  const extensions = kept<ReadonlySet<string>>(clock, EXTENSIONS_KEPT_MS, 1)

  /** The value under `key` of the answer, undefined for 404. */
  async function one<T>(
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    key: string,
    token?: string,
    json?: unknown,
  ): Promise<T | undefined> {
    const answer = await service.request(method, path, token, json)
    if (answer.status === 404) return undefined
    if (answer.status >= 300) throw refused(NETWORK, answer)
    return (answer.body as Record<string, T>)[key]
  }
  const list = async <T>(collection: string, query: string, token?: string): Promise<readonly T[]> =>
    (await one<readonly T[]>('GET', `/v2.0/${collection}?${query}`, collection.replaceAll('-', '_'), token)) ?? []

  async function show(id: string, token?: string): Promise<Network | undefined> {
    const body = await one<NetworkBody>('GET', `/v2.0/networks/${encodeURIComponent(id)}`, 'network', token)
    return body && networkOf(body)
  }
  const network = (id: string, token?: string) =>
    networks.get(token === undefined ? id : `${id}/${hash('sha256', token)}`, () => show(id, token))
  const has = async (alias: string): Promise<boolean> => {
    const known = await extensions.get(
      '',
      async () =>
        new Set((await list<{ alias: string }>('extensions', 'fields=alias')).map((extension) => extension.alias)),
    )
    return known.has(alias)
  }
  const facts = keptSources(list, (id) => network(id), clock)

  async function update(id: string, port: object): Promise<PortBody | undefined> {
    return one<PortBody>('PUT', `/v2.0/ports/${encodeURIComponent(id)}`, 'port', undefined, { port })
  }

  return {
    network: (id, token) => network(id, token),
    availableNetworks: (projectId, token) =>
      available.get(`${projectId}/${hash('sha256', token)}`, async () => {
        const [own, shared] = await Promise.all([
          list<NetworkBody>('networks', `project_id=${projectId}&shared=False&admin_state_up=True`, token),
          list<NetworkBody>('networks', 'shared=True&admin_state_up=True', token),
        ])
        return [...own.filter((body) => !body.shared), ...shared.filter((body) => body.shared)].map(networkOf)
      }),
    port: async (id, token) => {
      const body = await one<PortBody>('GET', `/v2.0/ports/${encodeURIComponent(id)}`, 'port', token)
      return body && portOf(body)
    },
    securityGroups: async (namesOrIds, projectId, token) => {
      const ask = () =>
        groups.get(projectId, () =>
          list<GroupBody>('security-groups', `project_id=${projectId}&fields=id&fields=name`, token),
        )
      const find = async (wanted: string) => {
        const all = await ask()
        return all.find(({ id }) => id === wanted) ?? all.find(({ name }) => name === wanted)
      }
      const ids: string[] = []
      for (const wanted of namesOrIds) {
        let found = await find(wanted)
        if (!found) {
          groups.forget(projectId)
          found = await find(wanted)
        }
        if (!found) throw new NovaError('UnknownSecurityGroup', { id: wanted })
        ids.push(found.id)
      }
      return [...new Set(ids)]
    },
    groups: async (ids) =>
      (await list<GroupBody>('security-groups', ids.map((id) => `id=${encodeURIComponent(id)}`).join('&'))).map(
        groupOf,
      ),
    portsOf: async ({ id, projectId, requestedNics }) =>
      (await list<PortBody>('ports', `device_id=${encodeURIComponent(id)}`))
        .map(portOf)
        .filter((port) => port.projectId === projectId || requestedNics.some(({ portId }) => portId === port.id)),
    createPort: async (port) => {
      const [tags, dns] = [await has('tag-ports-during-bulk-creation'), await has('dns-integration')]
      const body = await one<PortBody>('POST', '/v2.0/ports', 'port', undefined, {
        port: {
          network_id: port.networkId,
          tenant_id: port.projectId,
          admin_state_up: true,
          device_id: port.serverId,
          device_owner: `compute:${port.zone}`,
          'binding:host_id': port.host,
          ...(port.fixedIp === undefined ? {} : { fixed_ips: [{ ip_address: port.fixedIp }] }),
          ...(port.securityGroups.length === 0 ? {} : { security_groups: port.securityGroups }),
          ...(tags ? { tags: [port.tag] } : { description: port.tag }),
          ...(dns ? { dns_name: port.hostname } : {}),
        },
      })
      if (!body)
        throw new NovaError('ServiceRefused', { service: NETWORK, reason: `there is no network ${port.networkId}` })
      return portOf(body)
    },
    bindPort: async (id, { serverId, host, zone }) => {
      const body = await update(id, { device_id: serverId, device_owner: `compute:${zone}`, 'binding:host_id': host })
      if (!body) throw new NovaError('ServiceRefused', { service: NETWORK, reason: `there is no port ${id}` })
      return portOf(body)
    },
    unbindPort: async (id) => void (await update(id, { device_id: '', device_owner: '', 'binding:host_id': '' })),
    leaveHost: async (id) => void (await update(id, { 'binding:host_id': '' })),
    deletePort: async (id) => {
      const answer = await service.request('DELETE', `/v2.0/ports/${encodeURIComponent(id)}`)
      if (answer.status >= 300 && answer.status !== 404) throw refused(NETWORK, answer)
    },
    facts: (ports, hostname) => portFacts(ports, () => hostname, facts),
  }
}
