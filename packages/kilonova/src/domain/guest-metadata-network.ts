/** `network_data.json`: links and networks as cloud-init reads them. Pure. Upstream: nova/virt/netutils.py. */

/** The part of a port's facts that a guest is told. */
export interface GuestPort {
  readonly portId: string
  readonly networkId: string
  readonly mac: string
  readonly mtu: number
  /** As the network service bound it. */
  readonly vifType?: string | undefined
  /** What the user called the interface, and where the guest finds it: `pci`, `0000:00:03.0`. */
  readonly tag?: string | undefined
  readonly bus?: string | undefined
  readonly busAddress?: string | undefined
  readonly fixedIps: readonly { readonly address: string; readonly subnetId: string }[]
  readonly subnets: readonly GuestSubnet[]
}

export interface GuestSubnet {
  readonly id: string
  readonly cidr: string
  readonly gateway: string | null
  readonly dhcp: boolean
  /** How guests of version 6 get their address: `slaac`, `dhcpv6-stateful`, `dhcpv6-stateless`. */
  readonly addressMode?: string | null
  readonly dnsServers: readonly string[]
  readonly hostRoutes: readonly { readonly destination: string; readonly nexthop: string }[]
}

interface Addressed {
  readonly port: GuestPort
  readonly address: string
  readonly version: 4 | 6
  /** Undefined: the network service did not tell. */
  readonly subnet: GuestSubnet | undefined
}
type Document = Readonly<Record<string, unknown>>

/** Bindings that are told by name; of any other a guest only knows that it has a card. */
const TOLD_BINDINGS = ['bridge', 'dvs', 'hw_veb', 'hyperv', 'ovs', 'tap', 'vhostuser', 'vif']

/**
 * Of each port its first IPv4 and its first IPv6 address, and no more. A port without addresses is not told of. A subnet with DHCP
 * says just that: the lease has the rest.
 */
export function networkData(ports: readonly GuestPort[]): Document {
  if (ports.length === 0) return {}
  const addressed = ports.flatMap((port) => firstOf(port))
  const links = ports
    .filter(({ fixedIps }) => fixedIps.length > 0)
    .map((port) => ({
      id: linkId(port),
      vif_id: port.portId,
      type: port.vifType !== undefined && TOLD_BINDINGS.includes(port.vifType) ? port.vifType : 'phy',
      mtu: port.mtu,
      ethernet_mac_address: port.mac,
    }))
  return {
    links,
    networks: addressed.map(network),
    services: servicesOf(addressed.flatMap(({ subnet }) => subnet ?? [])),
  }
}

const firstOf = (port: GuestPort): readonly Addressed[] =>
  ([4, 6] as const).flatMap((version) => {
    const fixed = port.fixedIps.find(({ address }) => address.includes(':') === (version === 6))
    if (!fixed) return []
    return [{ port, address: fixed.address, version, subnet: port.subnets.find(({ id }) => id === fixed.subnetId) }]
  })

function network({ port, address, version, subnet }: Addressed, index: number): Document {
  const place = { id: `network${index}`, link: linkId(port), network_id: port.networkId }
  const mode = subnet?.addressMode ?? undefined
  if (!subnet || (mode === undefined && subnet.dhcp)) return { ...place, type: `ipv${version}_dhcp` }
  return {
    ...place,
    type: mode === undefined ? `ipv${version}` : `ipv${version}_${mode}`,
    ip_address: address,
    netmask: netmaskOf(subnet.cidr),
    routes: routesOf(subnet, version),
    services: servicesOf([subnet]),
  }
}

const linkId = ({ portId }: GuestPort): string => `tap${portId.slice(0, 11)}`

function routesOf(subnet: GuestSubnet, version: 4 | 6): readonly Document[] {
  const none = version === 4 ? '0.0.0.0' : '::'
  return [
    ...(subnet.gateway === null ? [] : [{ network: none, netmask: none, gateway: subnet.gateway }]),
    ...subnet.hostRoutes.map(({ destination, nexthop }) => ({
      network: destination.split('/')[0],
      netmask: netmaskOf(destination),
      gateway: nexthop,
    })),
  ]
}

const servicesOf = (subnets: readonly GuestSubnet[]): readonly Document[] =>
  [...new Set(subnets.flatMap(({ dnsServers }) => dnsServers))].map((address) => ({ type: 'dns', address }))

/** `10.0.0.0/20` → `255.255.240.0`; `fd00::/64` → `ffff:ffff:ffff:ffff::`. */
function netmaskOf(cidr: string): string {
  const length = Number(cidr.split('/')[1])
  const part = (index: number, bits: number) =>
    ((1 << bits) - 1) & ~((1 << Math.max(0, Math.min(bits, bits * (index + 1) - length))) - 1)
  if (!cidr.includes(':')) return Array.from({ length: 4 }, (_, index) => part(index, 8)).join('.')
  const groups = Array.from({ length: 8 }, (_, index) => part(index, 16)).filter((group) => group !== 0)
  return `${groups.map((group) => group.toString(16)).join(':')}${groups.length < 8 ? '::' : ''}`
}
