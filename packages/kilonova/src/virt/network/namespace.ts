/** A network's namespace: a bridge with the network's own addresses and, for routed subnets, a wire to the root namespace. Made as often as asked. */
import { existsSync } from 'node:fs'
import { HostError } from '../host-error.ts'
import { versionOf, wirePair } from './address.ts'
import { ipBatch, ipBatchForced, run } from './command.ts'
import { hasVersion6, type Layout, METADATA_ADDRESS } from './layout.ts'
import { BRIDGE, innerLink, type Names, ROUTER_LINK } from './names.ts'

export const namespaceExists = (names: Names, networkId: string): boolean => existsSync(names.namespacePath(networkId))
export const linkExists = (name: string): boolean => existsSync(`/sys/class/net/${name}`)

export async function makeNamespace(names: Names, networkId: string, layout: Layout, slot: number): Promise<void> {
  const namespace = names.namespace(networkId)
  const uplink = names.uplink(networkId)
  if (!namespaceExists(names, networkId)) {
    // Its wire may be left of a namespace that somebody deleted by name while something in it still ran.
    if (linkExists(uplink)) await ipBatchForced([`link del ${uplink}`])
    await run('ip', ['netns', 'add', namespace])
  }
  const there = await linksIn(namespace)
  const bridge = there.get(BRIDGE)
  const wanted = new Set(layout.addresses)
  await ipBatch(
    [
      'link set lo up',
      ...(bridge ? [] : [`link add ${BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`]),
      `link set ${BRIDGE} type bridge nf_call_iptables 1 nf_call_ip6tables 1 nf_call_arptables 0`,
      ...(hasVersion6(layout) ? [] : [`link set ${BRIDGE} addrgenmode none`]),
      `link set ${BRIDGE} address ${layout.mac} mtu ${layout.mtu} up`,
      ...layout.addresses.map(
        (address) => `addr replace ${address} dev ${BRIDGE}${versionOf(address) === 6 ? ' nodad' : ''}`,
      ),
      ...layout.onLink.map((cidr) => `route replace ${cidr} dev ${BRIDGE} src ${METADATA_ADDRESS}`),
      ...(bridge ?? []).flatMap((address) => (wanted.has(address) ? [] : `addr del ${address} dev ${BRIDGE}`)),
    ],
    namespace,
  )
  if (layout.routed.length > 0) await makeRoutes(namespace, uplink, layout, slot)
  else await removeLinks([uplink])
}

/** The root namespace reaches the guests over a pair of addresses; the guests' answers go back over it. */
async function makeRoutes(namespace: string, uplink: string, layout: Layout, slot: number): Promise<void> {
  const { root, inner } = wirePair(slot)
  await ipBatch([
    ...(linkExists(uplink)
      ? []
      : [
          `link add ${uplink} mtu ${layout.mtu} type veth peer name ${ROUTER_LINK} mtu ${layout.mtu} netns ${namespace}`,
        ]),
    `link set ${uplink} addrgenmode none`,
    `addr replace ${root} peer ${inner} dev ${uplink}`,
    `link set ${uplink} up`,
  ])
  await ipBatch(
    [
      `link set ${ROUTER_LINK} addrgenmode none`,
      `addr replace ${inner} peer ${root} dev ${ROUTER_LINK}`,
      `link set ${ROUTER_LINK} up`,
      `route replace default via ${root} dev ${ROUTER_LINK}`,
    ],
    namespace,
  )
  await run('nsenter', [`--net=/run/netns/${namespace}`, 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=1'])
  const wanted = layout.routed.filter((cidr) => versionOf(cidr) === 4)
  const there = await routes('dev', uplink)
  for (const cidr of wanted.filter((each) => !there.some(({ dst }) => dst === each)))
    await addRoute(cidr, inner, uplink)
  const former = there.filter(({ dst, gateway }) => gateway !== undefined && !wanted.includes(dst))
  await ipBatch(former.map(({ dst }) => `route del ${dst} dev ${uplink}`))
}

async function addRoute(cidr: string, via: string, uplink: string): Promise<void> {
  const [owner] = await routes('exact', cidr)
  if (owner) throw taken(cidr, owner.dev)
  await ipBatch([`route add ${cidr} via ${via} dev ${uplink}`])
}

interface Route {
  /** As the kernel writes it: the host part of a prefix is zero. */
  readonly dst: string
  readonly dev?: string
  readonly gateway?: string
}

const routes = async (...filter: string[]): Promise<Route[]> =>
  JSON.parse((await run('ip', ['-j', 'route', 'show', ...filter])) || '[]') as Route[]

const taken = (cidr: string, owner: string | undefined): HostError =>
  new HostError(
    'CommandFailed',
    `this machine has a route to ${cidr} already, over ${owner ?? 'another link'}: choose other addresses for the network or remove that route`,
  )

/** Links of a namespace with their addresses. */
export async function linksIn(namespace: string): Promise<Map<string, string[]>> {
  const links = JSON.parse((await run('ip', ['-n', namespace, '-j', 'addr', 'show'])) || '[]') as {
    ifname: string
    addr_info?: { local: string; prefixlen: number; scope: string }[]
  }[]
  return new Map(
    links.map(({ ifname, addr_info: addresses = [] }) => [
      ifname,
      addresses
        .filter(({ local }) => !local.startsWith('fe80:'))
        .map(({ local, prefixlen }) => `${local}/${prefixlen}`),
    ]),
  )
}

/** Makes the taps and wires of ports and joins them to the bridge. What exists (a tap that came before, too) is used as it is. */
export async function makePorts(
  names: Names,
  networkId: string,
  portIds: readonly string[],
  mtu: number,
): Promise<void> {
  const namespace = names.namespace(networkId)
  const links = portIds.map((id) => ({ tap: names.tap(id), wire: names.wire(id), inner: innerLink(id) }))
  await ipBatch(
    links.flatMap(({ tap, wire, inner }) => [
      ...(linkExists(tap) ? [] : [`tuntap add dev ${tap} mode tap`]),
      ...(linkExists(wire)
        ? []
        : [`link add ${wire} mtu ${mtu} type veth peer name ${inner} mtu ${mtu} netns ${namespace}`]),
      `link set ${tap} mtu ${mtu} addrgenmode none up`,
      `link set ${wire} addrgenmode none up`,
    ]),
  )
}

/** Moves all frames between tap and wire, before the root namespace's own stack sees them; joins the wire to the bridge. */
export const joinCommands = (
  names: Names,
  portIds: readonly string[],
): { readonly traffic: string[]; readonly inside: string[] } => ({
  traffic: portIds.flatMap((id) => [
    ...redirect(names.tap(id), names.wire(id)),
    ...redirect(names.wire(id), names.tap(id)),
  ]),
  inside: portIds.map((id) => `link set ${innerLink(id)} addrgenmode none master ${BRIDGE} up`),
})

const redirect = (from: string, to: string): string[] => [
  `qdisc replace dev ${from} ingress`,
  `filter replace dev ${from} parent ffff: protocol all prio 1 handle 800::800 u32 match u32 0 0 action mirred egress redirect dev ${to}`,
]

/** Removes links at once: one wait of the kernel for all of them. Those that are gone already are passed over. */
export async function removeLinks(links: readonly string[]): Promise<void> {
  const there = links.filter(linkExists)
  if (there.length === 0) return
  if (there.length === 1) return ipBatchForced(there.map((link) => `link del ${link}`))
  const group = removalGroup(there[0] ?? '')
  await ipBatchForced([...there.map((link) => `link set ${link} group ${group}`), `link del group ${group}`])
}

/** A group number that nothing else has: only links that are being removed are ever in one. */
const removalGroup = (link: string): number =>
  ([...link].reduce((hash, letter) => (Math.imul(hash, 31) + letter.charCodeAt(0)) >>> 0, 7) % 0x1000_0000) |
  0x4000_0000

export async function removeNamespace(names: Names, networkId: string): Promise<void> {
  if (namespaceExists(names, networkId)) await deleteNamespace(names.namespace(networkId))
}

/** A process that was killed may have left an `ip` behind that deletes it just now. */
export async function deleteNamespace(name: string): Promise<void> {
  await run('ip', ['netns', 'delete', name]).catch((error: unknown) => {
    if (existsSync(`/run/netns/${name}`)) throw error
  })
}
