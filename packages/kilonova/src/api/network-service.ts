/** What the network service keeps, as it writes it: collections asked in the user's name. */
import type { Ctx } from './context.ts'

export interface NetworkBody {
  readonly id: string
  readonly name: string
}
export interface FloatingIpBody {
  readonly id: string
  readonly floating_ip_address: string
  readonly fixed_ip_address: string | null
  readonly floating_network_id: string
  readonly port_id: string | null
}
export interface PortBody {
  readonly id: string
  readonly device_id: string
}
export interface RuleBody {
  readonly id: string
  readonly security_group_id: string
  readonly direction: 'ingress' | 'egress'
  readonly ethertype?: string
  readonly protocol: string | null
  readonly port_range_min: number | null
  readonly port_range_max: number | null
  readonly remote_ip_prefix: string | null
  readonly remote_group_id: string | null
}
export interface GroupBody {
  readonly id: string
  readonly name: string
  readonly description?: string
  readonly project_id?: string
  readonly tenant_id?: string
  readonly security_group_rules?: readonly RuleBody[]
}

interface SubnetBody {
  readonly id: string
}

interface Bodies {
  readonly networks: NetworkBody
  readonly floatingips: FloatingIpBody
  readonly ports: PortBody
  readonly subnets: SubnetBody
  readonly 'security-groups': GroupBody
  readonly 'security-group-rules': RuleBody
}
type Collection = keyof Bodies
type Query = Readonly<Record<string, string | readonly string[]>>

const keyOf = (collection: Collection): string => collection.replaceAll('-', '_')
const oneOf = (collection: Collection): string => keyOf(collection).replace(/s$/, '')
const path = (collection: Collection, id?: string): string =>
  `/v2.0/${collection}${id === undefined ? '' : `/${encodeURIComponent(id)}`}`

/** Errors of all: RefusedError, ServiceUnavailable, Unauthorized. */
export const networkService = ({ neighbours: { network }, caller: { token } }: Ctx) => ({
  list: async <C extends Collection>(collection: C, query: Query = {}): Promise<readonly Bodies[C][]> => {
    const pairs = Object.entries(query).flatMap(([name, value]) =>
      (typeof value === 'string' ? [value] : value).map((each) => [name, each]),
    )
    const text = pairs.length === 0 ? '' : `?${new URLSearchParams(pairs).toString()}`
    const body = await network.ask('GET', `${path(collection)}${text}`, token)
    return (body as Record<string, readonly Bodies[C][]>)[keyOf(collection)] ?? []
  },
  show: async <C extends Collection>(collection: C, id: string): Promise<Bodies[C]> =>
    inside<C>(collection, await network.ask('GET', path(collection, id), token)),
  create: async <C extends Collection>(collection: C, values: object): Promise<Bodies[C]> =>
    inside<C>(collection, await network.ask('POST', path(collection), token, { [oneOf(collection)]: values })),
  update: async <C extends Collection>(collection: C, id: string, values: object): Promise<Bodies[C]> =>
    inside<C>(collection, await network.ask('PUT', path(collection, id), token, { [oneOf(collection)]: values })),
  remove: async (collection: Collection, id: string): Promise<void> =>
    void (await network.ask('DELETE', path(collection, id), token)),
})
const inside = <C extends Collection>(collection: C, body: unknown): Bodies[C] =>
  (body as Record<string, Bodies[C]>)[oneOf(collection)] as Bodies[C]
