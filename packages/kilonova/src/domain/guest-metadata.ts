/**
 * What a guest may learn about itself, as the documents of config drive and metadata service. Pure; the same for both.
 * Upstream: nova/api/metadata/base.py.
 */
import { ec2MetaData } from './guest-metadata-ec2.ts'
import { networkData, type GuestPort } from './guest-metadata-network.ts'
import type { Server } from './server.ts'

export type Document = Readonly<Record<string, unknown>>

/** What the operator tells every guest (undefined: nothing is meant to be told), and that with what their services tell this one. */
export interface VendorDocuments {
  readonly fixed: unknown
  readonly combined: Document
}

export interface GuestFacts {
  readonly server: Server
  /** Needed for the network and for devices with tags alone. */
  readonly ports: readonly GuestPort[]
  /** Stands behind the host name; empty: nothing does. */
  readonly dhcpDomain: string
  /** 512 random bytes in base64. */
  readonly randomSeed: string
}

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

/** The files of an OpenStack version in the order they are listed, and the version that each came with; they stayed. */
export const OPENSTACK_FILES = {
  'meta_data.json': '2012-08-10',
  user_data: '2012-08-10',
  password: '2013-04-04',
  'vendor_data.json': '2013-10-17',
  'network_data.json': '2015-10-15',
  'vendor_data2.json': '2016-10-06',
} as const
export type OpenstackFile = keyof typeof OPENSTACK_FILES

/** What `latest` and any dated version mean; undefined for an unknown one. Versions compare as text. */
export const versionNamed = (name: string, versions: readonly string[]): string | undefined =>
  name === 'latest' ? versions.at(-1) : versions.find((version) => version === name)

/**
 * Every file of a config drive: path to content. Contents are bytes, because user data and injected files may be anything; the
 * rest is UTF-8. `skippedVersions`: of EC2, left out.
 */
export function guestDocuments(
  facts: GuestFacts,
  vendor: VendorDocuments,
  skippedVersions: readonly string[],
): Readonly<Record<string, Uint8Array>> {
  const { server, ports, dhcpDomain } = facts
  const userData = server.userData === null ? undefined : bytesOf(server.userData)
  const files: Record<string, Uint8Array> = {}
  const add = (path: string, content: Uint8Array | undefined): void => {
    if (content) files[path] = content
  }
  for (const name of [...EC2_VERSIONS, 'latest'].filter((version) => !skippedVersions.includes(version))) {
    const told = { hostname: fullHostname(server, dhcpDomain), localIp: firstIpV4(ports), publicIp: '' }
    add(`ec2/${name}/meta-data.json`, json(ec2MetaData(server, told, versionNamed(name, EC2_VERSIONS) ?? name)))
    add(`ec2/${name}/user-data`, userData)
  }
  for (const name of [...OPENSTACK_VERSIONS, 'latest']) {
    const version = versionNamed(name, OPENSTACK_VERSIONS) ?? name
    const has = (file: OpenstackFile) => OPENSTACK_FILES[file] <= version
    add(`openstack/${name}/meta_data.json`, json(metaData(facts, version)))
    add(`openstack/${name}/user_data`, userData)
    if (has('vendor_data.json') && vendor.fixed !== undefined)
      add(`openstack/${name}/vendor_data.json`, json(vendor.fixed))
    if (has('network_data.json')) add(`openstack/${name}/network_data.json`, json(networkData(ports)))
    if (has('vendor_data2.json')) add(`openstack/${name}/vendor_data2.json`, json(vendor.combined))
  }
  server.injectedFiles.forEach(({ contents }, index) =>
    add(`openstack/content/${contentName(index)}`, bytesOf(contents)),
  )
  return files
}

export function metaData({ server, ports, dhcpDomain, randomSeed }: GuestFacts, version: string): Document {
  const { keyName, keyType, publicKey } = server
  const files = server.injectedFiles.map(({ path }, index) => ({
    path,
    content_path: `/content/${contentName(index)}`,
  }))
  return {
    uuid: server.id,
    ...(Object.keys(server.metadata).length > 0 ? { meta: server.metadata } : {}),
    ...(files.length > 0 ? { files } : {}),
    ...(keyName !== null && publicKey !== null
      ? {
          public_keys: { [keyName]: publicKey },
          keys: [{ name: keyName, type: keyType ?? 'ssh', data: publicKey }],
        }
      : {}),
    hostname: fullHostname(server, dhcpDomain),
    name: server.name,
    launch_index: server.launchIndex,
    availability_zone: server.availabilityZone ?? 'nova',
    ...(version >= '2013-04-04' ? { random_seed: randomSeed } : {}),
    ...(version >= '2015-10-15' ? { project_id: server.projectId } : {}),
    ...(version >= '2016-06-30' ? { devices: devices(ports, version) } : {}),
    // No guest is given processors of its own yet.
    ...(version >= '2020-10-14' ? { dedicated_cpus: [] } : {}),
  }
}

/** The interfaces that were given a tag, for the guest to tell them apart. Where on the bus one is, is said once it is known. */
const devices = (ports: readonly GuestPort[], version: string): readonly Document[] =>
  ports.flatMap(({ tag, mac, bus, busAddress }) =>
    tag === undefined
      ? []
      : [
          {
            ...(version >= '2018-08-27' ? { vf_trusted: false } : {}),
            type: 'nic',
            mac,
            bus: bus ?? 'none',
            address: busAddress ?? 'none',
            tags: [tag],
          },
        ],
  )

export const fullHostname = ({ hostname }: Server, dhcpDomain: string): string =>
  dhcpDomain === '' ? hostname : `${hostname}.${dhcpDomain}`

const firstIpV4 = (ports: readonly GuestPort[]): string =>
  ports.flatMap(({ fixedIps }) => fixedIps).find(({ address }) => !address.includes(':'))?.address ?? ''

/** `0000`, `0001`: injected files are asked for by number. */
const contentName = (index: number): string => String(index).padStart(4, '0')
/** The injected file of this name in `openstack/content`. */
export const injectedFile = ({ injectedFiles }: Server, name: string): Uint8Array | undefined => {
  const found = injectedFiles.find((_file, index) => contentName(index) === name)
  return found && bytesOf(found.contents)
}

/** What base64 stands for. */
export const bytesOf = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))

export const json = (document: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(document))
