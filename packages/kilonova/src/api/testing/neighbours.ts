/** For tests: network and image services that keep what they are told, as the Compute API's proxies speak to them. */
import { newId } from '@kilonova/base/clock.ts'
import { RefusedError, type Neighbour } from '../../clients/neighbour.ts'
import type { Network, Port } from '../../clients/neutron.ts'

type Thing = Record<string, unknown> & { id: string }
export interface NeighbourState {
  /** By collection: `floatingips`, `security-groups`, `security-group-rules`, `subnets`. */
  readonly collections: ReadonlyMap<string, Map<string, Thing>>
  readonly images: Map<string, Thing>
  /** The next call is refused so. */
  refuse?: { readonly status: number; readonly type?: string; readonly message: string } | undefined
  /** Whose tokens it was asked with. */
  readonly tokens: Set<string>
}
export const neighbourState = (): NeighbourState => ({
  collections: new Map(
    ['floatingips', 'security-groups', 'security-group-rules', 'subnets'].map((name) => [
      name,
      new Map<string, Thing>(),
    ]),
  ),
  images: new Map(),
  tokens: new Set(),
})
interface Seen {
  readonly networks: ReadonlyMap<string, Network>
  readonly ports: Map<string, Port>
}

const refusal = (status: number, message: string, type = '') =>
  new RefusedError('network', { status, headers: {}, body: { NeutronError: { type, message } } })
const matches = (thing: Thing, query: URLSearchParams): boolean =>
  [...new Set(query.keys())].every(
    (key) =>
      !(key in thing) || query.getAll(key).some((value) => String(thing[key]).toLowerCase() === value.toLowerCase()),
  )
const rest = (state: NeighbourState, token: string) => {
  state.tokens.add(token)
  const { refuse } = state
  state.refuse = undefined
  if (refuse) throw refusal(refuse.status, refuse.message, refuse.type)
}

const netBody = ({ id, name, external }: Network): Thing => ({
  id,
  name,
  'router:external': external ? 'True' : 'False',
})
const portBody = ({ id, deviceId, securityGroups }: Port): Thing => ({
  id,
  device_id: deviceId,
  security_groups: securityGroups,
})

interface PortValues {
  readonly security_groups?: readonly string[]
  readonly fixed_ips?: readonly { readonly ip_address?: string; readonly subnet_id: string }[]
}
const changedPort = (port: Port, { security_groups: groups, fixed_ips: ips }: PortValues): Port => ({
  ...port,
  ...(groups ? { securityGroups: groups } : {}),
  ...(ips
    ? { fixedIps: ips.map((each) => ({ address: each.ip_address ?? '10.0.0.99', subnetId: each.subnet_id })) }
    : {}),
})

function network(state: NeighbourState, { networks, ports }: Seen): Neighbour['ask'] {
  const made = (collection: string, values: object): Thing => {
    const id = newId()
    if (collection === 'floatingips')
      return {
        fixed_ip_address: null,
        port_id: null,
        floating_ip_address: `203.0.113.${state.tokens.size}`,
        ...values,
        id,
      }
    return {
      description: '',
      port_range_min: null,
      port_range_max: null,
      remote_group_id: null,
      remote_ip_prefix: null,
      protocol: null,
      ...values,
      id,
    }
  }
  const withRules = (collection: string, thing: Thing): Thing => {
    if (collection !== 'security-groups') return thing
    const rules = [...(state.collections.get('security-group-rules')?.values() ?? [])]
    return { ...thing, security_group_rules: rules.filter((rule) => rule['security_group_id'] === thing.id) }
  }
  return async (method, path, token, json) => {
    rest(state, token)
    const { pathname, searchParams } = new URL(path, 'http://network')
    const [, , collection = '', id] = pathname.split('/').map(decodeURIComponent)
    const key = collection.replaceAll('-', '_')
    const one = key.replace(/s$/, '')
    const values = (json as Record<string, object> | undefined)?.[one] ?? {}
    const own = state.collections.get(collection)
    const all = (): Thing[] =>
      own
        ? [...own.values()]
        : collection === 'ports'
          ? [...ports.values()].map(portBody)
          : [...networks.values()].map(netBody)
    if (id === undefined) {
      if (method === 'POST') {
        const thing = made(collection, values)
        own?.set(thing.id, thing)
        return { [one]: withRules(collection, thing) }
      }
      return {
        [key]: all()
          .filter((thing) => matches(thing, searchParams))
          .map((thing) => withRules(collection, thing)),
      }
    }
    const thing = all().find((each) => each.id === id)
    if (!thing) throw refusal(404, `${one} ${id} could not be found.`)
    if (method === 'DELETE') return void own?.delete(id)
    if (method === 'PUT') {
      const changed = { ...thing, ...values }
      own?.set(id, changed)
      const port = ports.get(id)
      if (port) ports.set(id, changedPort(port, values))
      return { [one]: withRules(collection, changed) }
    }
    return { [one]: withRules(collection, thing) }
  }
}

interface Change {
  readonly op: string
  readonly path: string
  readonly value?: unknown
}
function image(state: NeighbourState): Neighbour['ask'] {
  return async (method, path, token, json, more) => {
    rest(state, token)
    const { pathname, searchParams } = new URL(path, 'http://image')
    const [, , , id] = pathname.split('/').map(decodeURIComponent)
    if (id === undefined) {
      const limit = Number(searchParams.get('limit'))
      const marker = searchParams.get('marker')
      for (const name of ['limit', 'marker']) searchParams.delete(name)
      const all = [...state.images.values()].filter((each) =>
        [...searchParams].every(([key, value]) => key === 'updated_at' || String(each[key]) === value),
      )
      const from = marker === null ? 0 : all.findIndex((each) => each.id === marker) + 1
      if (marker !== null && from === 0) throw refusal(400, `Image ${marker} could not be found.`)
      return { images: all.slice(from, from + limit) }
    }
    const thing = state.images.get(id)
    if (!thing) throw refusal(404, 'no such image')
    if (method === 'DELETE') return void state.images.delete(id)
    if (method === 'PATCH') {
      if (!more?.headers?.['content-type']?.includes('json-patch')) throw refusal(415, 'it is no JSON patch')
      const changed = { ...thing }
      for (const { op, path: key, value } of json as readonly Change[])
        if (op === 'remove') delete changed[key.slice(1)]
        else changed[key.slice(1)] = value
      state.images.set(id, changed)
      return changed
    }
    return thing
  }
}

export const neighbours = (
  state: NeighbourState,
  seen: Seen,
): { readonly network: Neighbour; readonly image: Neighbour } => ({
  network: { ask: network(state, seen), url: async () => 'http://network.example' },
  image: { ask: image(state), url: async () => 'http://image.example' },
})
