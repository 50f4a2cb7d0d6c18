/**
 * What a guest may learn about itself, as the documents of config drive and metadata service. Pure; the same for both.
 * Upstream: nova/api/metadata/base.py, nova/virt/netutils.py.
 */
import type { Server } from './server.ts'

/** The part of a port's facts that a guest is told. */
export interface GuestPort {
  readonly portId: string
  readonly networkId: string
  readonly mac: string
  readonly mtu: number
  readonly fixedIps: readonly { readonly address: string; readonly subnetId: string }[]
  readonly subnets: readonly {
    readonly id: string
    readonly cidr: string
    readonly gateway: string | null
    readonly dhcp: boolean
    readonly dnsServers: readonly string[]
    readonly hostRoutes: readonly { readonly destination: string; readonly nexthop: string }[]
  }[]
}

type Document = Readonly<Record<string, unknown>>

export const OPENSTACK_VERSIONS = [
  '2012-08-10',
  '2013-04-04',
  '2013-10-17',
  '2015-10-15',
  '2016-06-30',
  '2016-10-06',
  '2017-02-22',
  '2018-08-27',
  '2020-10-14',
  '2025-04-04',
] as const
export const EC2_VERSIONS = [
  '1.0',
  '2007-01-19',
  '2007-03-01',
  '2007-08-29',
  '2007-10-10',
  '2007-12-15',
  '2008-02-01',
  '2008-09-01',
  '2009-04-04',
] as const
/** Config drives leave out the older EC2 versions, as Nova's default `config_drive_skip_versions` has it. */
const EC2_DRIVE_VERSIONS = ['2009-04-04', 'latest'] as const

/** What `latest` and any dated version mean; undefined for an unknown one. Versions compare as text. */
export const versionNamed = (name: string, versions: readonly string[]): string | undefined =>
  name === 'latest' ? versions.at(-1) : versions.find((version) => version === name)

const DOMAIN = 'novalocal'

/**
 * Every file of a config drive: path to content. Contents are bytes, because user data may be anything; the rest is UTF-8.
 * `randomSeed`: 512 random bytes in base64.
 */
export function guestDocuments(
  server: Server,
  ports: readonly GuestPort[],
  randomSeed: string,
): Readonly<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {}
  for (const version of EC2_DRIVE_VERSIONS) {
    files[`ec2/${version}/meta-data.json`] = json(
      ec2MetaData(server, ports, versionNamed(version, EC2_VERSIONS) ?? version),
    )
    if (server.userData !== null) files[`ec2/${version}/user-data`] = userDataOf(server.userData)
  }
  for (const name of [...OPENSTACK_VERSIONS, 'latest']) {
    const documents = openstackDocuments(server, ports, randomSeed, versionNamed(name, OPENSTACK_VERSIONS) ?? name)
    for (const [file, content] of Object.entries(documents)) files[`openstack/${name}/${file}`] = content
  }
  return files
}

/** The files of one dated OpenStack version; each came with some version and stayed. */
export function openstackDocuments(
  server: Server,
  ports: readonly GuestPort[],
  randomSeed: string,
  version: string,
): Readonly<Record<string, Uint8Array>> {
  return {
    'meta_data.json': json(metaData(server, randomSeed, version)),
    ...(server.userData === null ? {} : { user_data: userDataOf(server.userData) }),
    ...(version >= '2013-10-17' ? { 'vendor_data.json': json({}) } : {}),
    ...(version >= '2015-10-15' ? { 'network_data.json': json(networkData(ports)) } : {}),
    ...(version >= '2016-10-06' ? { 'vendor_data2.json': json({}) } : {}),
  }
}

function metaData(server: Server, randomSeed: string, version: string): Document {
  const key = keyOf(server)
  return {
    uuid: server.id,
    ...(Object.keys(server.metadata).length > 0 ? { meta: server.metadata } : {}),
    ...(key ? { public_keys: { [key.name]: key.data }, keys: [key] } : {}),
    hostname: hostnameOf(server),
    name: server.name,
    launch_index: server.launchIndex,
    availability_zone: server.availabilityZone ?? 'nova',
    ...(version >= '2013-04-04' ? { random_seed: randomSeed } : {}),
    ...(version >= '2015-10-15' ? { project_id: server.projectId } : {}),
    ...(version >= '2016-06-30' ? { devices: [] } : {}),
    ...(version >= '2020-10-14' ? { dedicated_cpus: [] } : {}),
  }
}

/** Links and networks as cloud-init reads them. A subnet with DHCP says no more than that: the lease has the rest. */
function networkData(ports: readonly GuestPort[]): Document {
  const links = ports.map((port) => ({
    id: linkId(port),
    vif_id: port.portId,
    type: 'tap',
    mtu: port.mtu,
    ethernet_mac_address: port.mac,
  }))
  const networks = ports
    .flatMap((port) => port.fixedIps.map((fixed) => ({ port, fixed })))
    .map(({ port, fixed: { address, subnetId } }, index) => {
      const version = address.includes(':') ? 6 : 4
      const subnet = port.subnets.find(({ id }) => id === subnetId)
      const lead = { id: `network${index}`, type: `ipv${version}`, link: linkId(port), network_id: port.networkId }
      if (!subnet || subnet.dhcp) return { ...lead, type: `ipv${version}_dhcp` }
      return {
        ...lead,
        ip_address: address,
        netmask: netmaskOf(subnet.cidr),
        routes: routesOf(subnet, version),
        services: servicesOf([subnet]),
      }
    })
  const used = ports.flatMap((port) =>
    port.subnets.filter(({ id }) => port.fixedIps.some(({ subnetId }) => subnetId === id)),
  )
  return { links, networks, services: servicesOf(used) }
}

const linkId = ({ portId }: GuestPort): string => `tap${portId.slice(0, 11)}`

function routesOf(subnet: GuestPort['subnets'][number], version: 4 | 6): Document[] {
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

const servicesOf = (subnets: readonly GuestPort['subnets'][number][]): Document[] =>
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

/**
 * The tree under `meta-data` in one dated EC2 version. Lists are lines, objects are folders.
 * The short ids EC2 wants are cut from ours: they tell servers apart to people, nothing looks them up.
 */
export function ec2MetaData(server: Server, ports: readonly GuestPort[], version: string): Document {
  const hostname = hostnameOf(server)
  const key = keyOf(server)
  const root = server.rootDeviceName ?? '/dev/vda'
  return {
    'ami-id': `ami-${server.image?.id.slice(0, 8) ?? '00000000'}`,
    'ami-launch-index': server.launchIndex,
    'ami-manifest-path': 'FIXME', // Nova's literal answer
    'instance-id': `i-${server.id.slice(0, 8)}`,
    hostname,
    'local-ipv4':
      ports.flatMap(({ fixedIps }) => fixedIps).find(({ address }) => !address.includes(':'))?.address ?? '',
    'reservation-id': server.reservationId,
    'security-groups': server.securityGroups,
    ...(key ? { 'public-keys': { '0': { 'openssh-key': key.data } } } : {}),
    ...(version >= '2007-01-19' ? { 'local-hostname': hostname, 'public-hostname': hostname, 'public-ipv4': '' } : {}),
    ...(version >= '2007-08-29' ? { 'instance-type': server.flavor.name } : {}),
    ...(version >= '2007-12-15' ? { 'block-device-mapping': { ami: root.replace('/dev/', ''), root } } : {}),
    ...(version >= '2008-02-01' ? { placement: { 'availability-zone': server.availabilityZone ?? 'nova' } } : {}),
    ...(version >= '2008-09-01' ? { 'instance-action': 'none' } : {}),
  }
}

export const hostnameOf = (server: Server): string => `${server.hostname}.${DOMAIN}`

function keyOf({ keyName, keyType, publicKey }: Server): { name: string; type: string; data: string } | undefined {
  return keyName === null || publicKey === null ? undefined : { name: keyName, type: keyType ?? 'ssh', data: publicKey }
}

/** User data as it was before its base64. */
export const userDataOf = (base64: string): Uint8Array =>
  Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))

const json = (document: Document): Uint8Array => new TextEncoder().encode(JSON.stringify(document))
