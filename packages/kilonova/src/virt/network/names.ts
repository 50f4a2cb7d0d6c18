/** The names of what a network has on this host. Each carries the installation's id and fits the kernel's 15 characters. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'

export interface Names {
  /** The namespace of a guest network. */
  namespace(networkId: string): string
  /** Where the namespace is held open. */
  namespacePath(networkId: string): string
  /** The namespace of a router. */
  routerNamespace(routerId: string): string
  /** What QEMU opens, in the root namespace. */
  tap(portId: string): string
  /** The root end of the port's wire into the namespace. */
  wire(portId: string): string
  /** The root end of the network's wire for routed subnets. */
  uplink(networkId: string): string
  /** Files of what runs for the network; they need not outlive a restart of the machine. */
  runtime(networkId: string): string
  readonly runtimeRoot: string
  /** The packet filter's table in the root namespace. */
  readonly hostTable: string
  /** What the names of links begin with. */
  readonly linkPrefixes: { readonly tap: string; readonly wire: string; readonly uplink: string }
  /** Whether a link or namespace was made by this installation. */
  isLink(name: string): boolean
  isNamespace(name: string): boolean
}

/** Names inside a namespace need no installation: the namespace has it. */
export const BRIDGE = 'lan'
export const ROUTER_LINK = 'host'
export const innerLink = (portId: string): string => `p${short(portId)}`
/** The network's end of a router's wire; in the router's namespace is its `innerLink`. */
export const routerPort = (portId: string): string => `r${short(portId)}`

export const NAMESPACES = '/run/netns'

/** 36 bits of an id in seven characters. */
function short(id: string): string {
  const hash = createHash('sha256').update(id).digest()
  return (hash.readUIntBE(0, 6) % 36 ** 7).toString(36).padStart(7, '0')
}

export function namesOf(installationId: string): Names {
  if (!/^[0-9a-f]{4,6}$/.test(installationId))
    throw new Error(`an installation id is 4 to 6 hex digits, not "${installationId}"`)
  const namespace = (networkId: string) => `kn${installationId}-${short(networkId)}`
  const runtimeRoot = `/run/kilonova-${installationId}`
  const links = new RegExp(`^k[tvr]${installationId}[0-9a-z]{7}$`)
  const namespaces = new RegExp(`^kn${installationId}-r?[0-9a-z]{7}$`)
  const linkPrefixes = { uplink: `kr${installationId}`, tap: `kt${installationId}`, wire: `kv${installationId}` }
  return {
    namespace,
    routerNamespace: (routerId) => `kn${installationId}-r${short(routerId)}`,
    namespacePath: (networkId) => join(NAMESPACES, namespace(networkId)),
    tap: (portId) => `${linkPrefixes.tap}${short(portId)}`,
    wire: (portId) => `${linkPrefixes.wire}${short(portId)}`,
    uplink: (networkId) => `${linkPrefixes.uplink}${short(networkId)}`,
    hostTable: linkPrefixes.uplink,
    linkPrefixes,
    runtime: (networkId) => join(runtimeRoot, short(networkId)),
    runtimeRoot,
    isLink: (name) => links.test(name),
    isNamespace: (name) => namespaces.test(name),
  }
}
