/** What DHCP tells the guests of a network, as dnsmasq's arguments and files. Pure; changed files are read again on SIGHUP. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { netmask, networkAddress, prefixLength, versionOf } from './address.ts'
import { type Layout, METADATA_ADDRESS, ownsGateway, type Subnet } from './layout.ts'
import { BRIDGE } from './names.ts'
import type { PluggedPort } from './store.ts'

export interface DhcpFiles {
  readonly pid: string
  readonly hosts: string
  readonly options: string
  readonly leases: string
  readonly log: string
}

export const dhcpFiles = (folder: string): DhcpFiles => ({
  pid: join(folder, 'dnsmasq.pid'),
  hosts: join(folder, 'hosts'),
  options: join(folder, 'options'),
  leases: join(folder, 'leases'),
  log: join(folder, 'dnsmasq.log'),
})

const LEASE_SECONDS = 86_400

const tag = (subnet: Subnet): string => `s${createHash('sha256').update(subnet.id).digest('hex').slice(0, 8)}`
const served = (layout: Layout): readonly Subnet[] => layout.subnets.filter(({ dhcp }) => dhcp)

/** Undefined where no subnet wants DHCP. No DNS: guests ask the subnet's servers themselves. */
export function dnsmasqArguments(layout: Layout, files: DhcpFiles): string[] | undefined {
  const subnets = served(layout)
  if (subnets.length === 0) return undefined
  return [
    '--conf-file=/dev/null',
    '--port=0',
    '--no-resolv',
    '--no-hosts',
    '--bind-interfaces',
    `--interface=${BRIDGE}`,
    '--except-interface=lo',
    `--pid-file=${files.pid}`,
    `--dhcp-hostsfile=${files.hosts}`,
    `--dhcp-optsfile=${files.options}`,
    `--dhcp-leasefile=${files.leases}`,
    `--log-facility=${files.log}`,
    '--quiet-dhcp',
    '--quiet-dhcp6',
    '--dhcp-authoritative',
    '--dhcp-no-override',
    '--no-ping',
    '--dhcp-lease-max=65536',
    ...subnets.flatMap((subnet) => (versionOf(subnet.cidr) === 4 ? range4(subnet) : range6(subnet, layout))),
    // Nothing of ours forwards version 6: it tells prefixes and is nobody's router.
    ...(layout.announced.length > 0 ? [`--ra-param=${BRIDGE},mtu:${layout.mtu},60,0`] : []),
    ...(subnets.some((subnet) => isAnnounced(subnet, layout) && isStateful(subnet)) ? ['--enable-ra'] : []),
  ]
}

/** A subnet in which the namespace has no address of its own is served all the same, from the metadata address. */
const range4 = (subnet: Subnet): string[] => [
  `--dhcp-range=set:${tag(subnet)},${networkAddress(subnet.cidr)},static,${netmask(subnet.cidr)},${LEASE_SECONDS}s`,
  ...(ownsGateway(subnet) ? [] : [`--shared-network=${BRIDGE},${networkAddress(subnet.cidr)}`]),
]

const isAnnounced = ({ id }: Subnet, { announced }: Layout): boolean => announced.includes(id)
/** Guests ask for their address; as Neutron has it, they do too where nothing is said. */
const isStateful = ({ addressMode, raMode }: Subnet): boolean =>
  (addressMode ?? raMode ?? 'dhcpv6-stateful') === 'dhcpv6-stateful'
const isSlaac = ({ addressMode, raMode }: Subnet): boolean => (addressMode ?? raMode) === 'slaac'

function range6(subnet: Subnet, layout: Layout): string[] {
  const announced = isAnnounced(subnet, layout)
  if (isSlaac(subnet) && !announced) return []
  const mode = isSlaac(subnet) ? 'ra-only' : isStateful(subnet) ? 'static' : announced ? 'ra-stateless' : 'static'
  const range = `set:${tag(subnet)},${networkAddress(subnet.cidr)},${mode},${prefixLength(subnet.cidr)},${LEASE_SECONDS}s`
  const local = announced || ownsGateway(subnet)
  return [`--dhcp-range=${range}`, ...(local ? [] : [`--shared-network=${BRIDGE},${networkAddress(subnet.cidr)}`])]
}

/** One line per address. Order: by port number, so that the same ports give the same file. */
export function hostsFile(layout: Layout, ports: Iterable<PluggedPort>): string {
  const given = served(layout).filter((subnet) => versionOf(subnet.cidr) === 4 || isStateful(subnet))
  const known = new Set(given.map(({ id }) => id))
  return [...ports]
    .toSorted((a, b) => a.number - b.number)
    .flatMap(({ facts }) =>
      facts.fixedIps
        .filter(({ subnetId }) => known.has(subnetId))
        .map(({ address }) => {
          const name = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(facts.hostname) ? `,${facts.hostname}` : ''
          return `${facts.mac},${versionOf(address) === 6 ? `[${address}]` : address}${name}\n`
        }),
    )
    .join('')
}

/** Options of a subnet. A guest that asks for 121 takes its routes from there alone, so the default one is in it too (RFC 3442). */
export function optionsFile(layout: Layout): string {
  return served(layout)
    .flatMap((subnet) => (versionOf(subnet.cidr) === 4 ? options4(subnet, layout.mtu) : options6(subnet)))
    .map((line) => `${line}\n`)
    .join('')
}

function options4(subnet: Subnet, mtu: number): string[] {
  const prefix = `tag:${tag(subnet)}`
  const metadataVia = ownsGateway(subnet) ? subnet.gateway : '0.0.0.0'
  const routes = [
    `${METADATA_ADDRESS}/32,${metadataVia}`,
    ...subnet.hostRoutes
      .filter(({ destination }) => destination !== `${METADATA_ADDRESS}/32`)
      .map(({ destination, nexthop }) => `${destination},${nexthop}`),
    ...(subnet.gateway === null ? [] : [`0.0.0.0/0,${subnet.gateway}`]),
  ].join(',')
  const servers = subnet.dnsServers.filter((server) => versionOf(server) === 4)
  return [
    // Empty: otherwise dnsmasq offers itself.
    `${prefix},option:router${subnet.gateway === null ? '' : `,${subnet.gateway}`}`,
    `${prefix},121,${routes}`,
    `${prefix},249,${routes}`,
    `${prefix},option:mtu,${mtu}`,
    ...(servers.length === 0 ? [] : [`${prefix},option:dns-server,${servers.join(',')}`]),
  ]
}

function options6(subnet: Subnet): string[] {
  const servers = subnet.dnsServers.filter((server) => versionOf(server) === 6).map((server) => `[${server}]`)
  return servers.length === 0 ? [] : [`tag:${tag(subnet)},option6:dns-server,${servers.join(',')}`]
}
