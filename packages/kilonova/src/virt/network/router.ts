/** A router's namespace: a wire to the bridge of each of its networks, its addresses, routes and translation. Made as often as asked. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { RouterFacts, RouterPort } from '../driver.ts'
import { prefixLength, versionOf } from './address.ts'
import { ipBatch, run } from './command.ts'
import { METADATA_ADDRESS } from './layout.ts'
import { BRIDGE, innerLink, type Names, NAMESPACES, routerPort } from './names.ts'
import { deleteNamespace, linksIn } from './namespace.ts'
import { routerFilter } from './router-filter.ts'

export const routerExists = (names: Names, routerId: string): boolean =>
  existsSync(join(NAMESPACES, names.routerNamespace(routerId)))

export const portsOf = ({ interfaces, gateway }: RouterFacts): readonly RouterPort[] => [
  ...interfaces,
  ...(gateway ? [gateway] : []),
]

/** `behind`: addresses of this machine that answers to it go to, by the port on whose network they are reached. The networks are there already. */
export async function makeRouter(names: Names, facts: RouterFacts, behind: ReadonlyMap<string, string>): Promise<void> {
  const namespace = names.routerNamespace(facts.routerId)
  if (!routerExists(names, facts.routerId)) await run('ip', ['netns', 'add', namespace])
  await prepare(namespace)
  const there = await linksIn(namespace)
  const ports = portsOf(facts)
  const wanted = new Set(ports.map(({ portId }) => innerLink(portId)))
  const former = [...there.keys()].filter((name) => name !== 'lo' && !wanted.has(name))
  await ipBatch(
    former.map((name) => `link del ${name}`),
    namespace,
  )
  await makeLinks(names, namespace, ports, there)
  await translate(namespace, facts)
  await ipBatch(
    ports.flatMap((port) => addresses(facts, port, there.get(innerLink(port.portId)) ?? [])),
    namespace,
  )
  await metadataRules(namespace, facts)
  await makeRoutes(namespace, facts, behind)
  await ipBatch(ports.map(announce), namespace)
}

/** The shorter way for a router that is as `former` says and has other floating IPs now. */
export async function changeFloatingIps(names: Names, facts: RouterFacts, former: RouterFacts): Promise<void> {
  const { gateway } = facts
  if (!gateway) return
  const namespace = names.routerNamespace(facts.routerId)
  await translate(namespace, facts)
  await ipBatch([...addresses(facts, gateway, wantedAddresses(former, gateway)), announce(gateway)], namespace)
}

/** Before anything else: nothing passes untranslated, also not while addresses and routes come. */
const translate = (namespace: string, facts: RouterFacts): Promise<string> =>
  run('nsenter', [`--net=/run/netns/${namespace}`, 'nft', '-f', '-'], { input: routerFilter(facts) })

/** A card that is given its address, also the same one, tells its neighbours of all its addresses. */
const announce = ({ portId, mac }: RouterPort): string => `link set ${innerLink(portId)} address ${mac}`

/** The links go at once: those of a deleted namespace alone would go some time later. */
export async function removeRouter(names: Names, routerId: string): Promise<void> {
  if (!routerExists(names, routerId)) return
  const namespace = names.routerNamespace(routerId)
  const links = [...(await linksIn(namespace)).keys()].filter((name) => name !== 'lo')
  await ipBatch(
    links.map((name) => `link del ${name}`),
    namespace,
  )
  await deleteNamespace(namespace)
}

/** A router: passes packets on, tells nobody of shorter ways, and answers for an address only where that is. For links made later, too. */
const SETTINGS = ['all', 'default'].flatMap((scope) =>
  [
    'rp_filter=0',
    'send_redirects=0',
    'accept_redirects=0',
    'arp_ignore=1',
    'arp_announce=2',
    'arp_notify=1',
    'promote_secondaries=1',
  ].map((setting) => `net.ipv4.conf.${scope}.${setting}`),
)

const prepare = (namespace: string): Promise<string> =>
  run('nsenter', [
    `--net=/run/netns/${namespace}`,
    'sysctl',
    '-q',
    '-w',
    'net.ipv4.ip_forward=1',
    'net.ipv6.conf.all.disable_ipv6=1',
    ...SETTINGS,
  ])

async function makeLinks(
  names: Names,
  namespace: string,
  ports: readonly RouterPort[],
  there: ReadonlyMap<string, readonly string[]>,
): Promise<void> {
  const fresh = ports.filter(({ portId }) => !there.has(innerLink(portId)))
  await ipBatch(
    fresh.map(
      ({ portId, networkId, mac, mtu }) =>
        `link add ${innerLink(portId)} address ${mac} mtu ${mtu} netns ${namespace} type veth peer name ${routerPort(portId)} mtu ${mtu} netns ${names.namespace(networkId)}`,
    ),
  )
  for (const [network, ends] of Map.groupBy(ports, ({ networkId }) => networkId))
    await ipBatch(
      ends.map(({ portId, mtu }) => `link set ${routerPort(portId)} addrgenmode none mtu ${mtu} master ${BRIDGE} up`),
      names.namespace(network),
    )
  await ipBatch(
    ['link set lo up', ...ports.map(({ portId, mtu }) => `link set ${innerLink(portId)} mtu ${mtu} up`)],
    namespace,
  )
}

const is4 = (address: string): boolean => versionOf(address) === 4

function wantedAddresses({ gateway, floatingIps }: RouterFacts, port: RouterPort): readonly string[] {
  const own = port.fixedIps
    .filter(({ address }) => is4(address))
    .flatMap(({ address, subnetId }) => {
      const subnet = port.subnets.find(({ id }) => id === subnetId)
      return subnet ? [`${address}/${prefixLength(subnet.cidr)}`] : []
    })
  return [...own, ...(port.portId === gateway?.portId ? floatingIps.map(({ address }) => `${address}/32`) : [])]
}

function addresses(facts: RouterFacts, port: RouterPort, there: readonly string[]): string[] {
  const link = innerLink(port.portId)
  const wanted = wantedAddresses(facts, port)
  return [
    ...there.filter((address) => !wanted.includes(address)).map((address) => `addr del ${address} dev ${link}`),
    ...wanted.filter((address) => !there.includes(address)).map((address) => `addr add ${address} dev ${link}`),
  ]
}

async function makeRoutes(namespace: string, facts: RouterFacts, behind: ReadonlyMap<string, string>): Promise<void> {
  const { gateway, interfaces, routes } = facts
  const lines = new Map<string, string>()
  const set = (destination: string, way: string) => lines.set(asShown(destination), `${destination} ${way}`)
  if (gateway) {
    const link = innerLink(gateway.portId)
    const addressed = new Set(gateway.fixedIps.map(({ subnetId }) => subnetId))
    const subnets = gateway.subnets.filter(({ cidr }) => is4(cidr))
    for (const { id, cidr } of subnets) if (!addressed.has(id)) set(cidr, `dev ${link}`)
    const out = subnets.find(({ id, gateway: via }) => addressed.has(id) && via !== null)?.gateway
    if (out) set('0.0.0.0/0', `via ${out} dev ${link}`)
  }
  for (const { portId } of interfaces) {
    const host = behind.get(portId)
    if (host !== undefined) set(`${host}/32`, `via ${METADATA_ADDRESS} dev ${innerLink(portId)} onlink`)
  }
  const told = routes.filter(({ destination }) => is4(destination))
  for (const { destination } of told) lines.delete(asShown(destination))
  const kept = new Set([...lines.keys(), ...told.map(({ destination }) => asShown(destination))])
  const shown = await run('ip', ['-n', namespace, '-j', '-4', 'route', 'show'])
  const there = JSON.parse(shown || '[]') as { readonly dst: string; readonly protocol?: string }[]
  await ipBatch(
    [
      ...there
        .filter(({ dst, protocol }) => protocol !== 'kernel' && !kept.has(dst))
        .map(({ dst }) => `route del ${dst}`),
      ...[...lines.values()].map((line) => `route replace ${line}`),
    ],
    namespace,
  )
  // Last: one that leads nowhere any more must not keep the rest from working.
  await ipBatch(
    told.map(({ destination, nexthop }) => `route replace ${destination} via ${nexthop}`),
    namespace,
  )
}

/** Of priorities and tables, one for each interface. */
const FIRST_RULE = 1000
const MAX_RULES = 10_000

/** Guests that send what is for the metadata address to their gateway get it to their own network: there it is known whose an address is. */
async function metadataRules(namespace: string, { interfaces }: RouterFacts): Promise<void> {
  const shown = await run('ip', ['-n', namespace, '-j', 'rule', 'show'])
  const rules = JSON.parse(shown || '[]') as { readonly priority: number; readonly iif?: string }[]
  const former = rules.filter(({ priority }) => priority >= FIRST_RULE && priority < FIRST_RULE + MAX_RULES)
  const links = interfaces.map(({ portId }) => innerLink(portId))
  const isThere = former.length === links.length && former.every(({ iif }, index) => iif === links[index])
  await ipBatch(
    links.map((link, index) => `route replace ${METADATA_ADDRESS}/32 dev ${link} table ${FIRST_RULE + index}`),
    namespace,
  )
  if (isThere) return
  await ipBatch(
    [
      ...former.map(({ priority }) => `rule del priority ${priority}`),
      ...links.map((link, index) => `rule add iif ${link} lookup ${FIRST_RULE + index} priority ${FIRST_RULE + index}`),
    ],
    namespace,
  )
}

/** As the kernel writes a destination. */
const asShown = (cidr: string): string => (cidr === '0.0.0.0/0' ? 'default' : cidr.replace(/\/32$/, ''))
