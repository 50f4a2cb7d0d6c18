/** What stands under a path of the metadata service: `/openstack/…` and, everywhere else, the EC2 tree. It asks only for what the path needs. */
import { ec2MetaData } from '../domain/guest-metadata-ec2.ts'
import { networkData, type GuestPort } from '../domain/guest-metadata-network.ts'
import {
  bytesOf,
  EC2_VERSIONS,
  fullHostname,
  injectedFile,
  json,
  metaData,
  OPENSTACK_FILES,
  OPENSTACK_VERSIONS,
  versionNamed,
  type Document,
  type OpenstackFile,
} from '../domain/guest-metadata.ts'
import type { Server } from '../domain/server.ts'

export interface Found {
  readonly contentType: string
  readonly body: Uint8Array | string
}

export interface Subject {
  readonly server: Server
  readonly dhcpDomain: string
  /** 512 random bytes in base64. */
  readonly randomSeed: string
  /** Versions dated later are not listed yet. */
  readonly now: number
  ports(): Promise<readonly GuestPort[]>
  /** IPv4; empty: there is none. */
  localIp(): string
  publicIp(): Promise<string>
  /** Undefined: nothing is meant to be told. */
  fixedVendorData(): Promise<unknown>
  combinedVendorData(): Promise<Document>
}

const TEXT = 'text/plain; charset=utf-8'
const JSON_TYPE = 'application/json'
const text = (body: string): Found => ({ contentType: TEXT, body })
const list = (names: readonly string[]): Found => text(names.join('\n'))

/** What anybody may ask, for it says nothing of a server. */
export const ROOT = list([...EC2_VERSIONS, 'latest'])

/** The names on the way to it: doubled slashes, one at the end, `.` and `..` mean what they mean in a file system. */
export function partsOf(path: string): readonly string[] {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts
}

/** `password`: it is read and written elsewhere. Undefined: no such path. */
export async function lookup(parts: readonly string[], subject: Subject): Promise<Found | 'password' | undefined> {
  const [head, ...tail] = parts
  if (head === 'openstack') return openstack(tail, subject)
  return ec2(head === undefined || head === 'ec2' ? tail : parts, subject)
}

async function openstack(parts: readonly string[], subject: Subject): Promise<Found | 'password' | undefined> {
  const [first, ...rest] = parts
  const { server, now } = subject
  if (first === undefined) {
    const today = new Date(now).toISOString().slice(0, 10)
    return list([...OPENSTACK_VERSIONS.filter((version) => version <= today), 'latest'])
  }
  if (first === 'content') {
    const [name, ...more] = rest
    const body = name === undefined || more.length > 0 ? undefined : injectedFile(server, name)
    return body && { contentType: TEXT, body }
  }
  const version = versionNamed(first, OPENSTACK_VERSIONS)
  if (version === undefined) return undefined
  if (rest.length === 0)
    return list(
      Object.entries(OPENSTACK_FILES)
        .filter(([name, since]) => since <= version && (name !== 'user_data' || server.userData !== null))
        .map(([name]) => name),
    )
  const name = rest.join('/')
  return isFile(name) ? openstackFile(name, version, subject) : undefined
}

const isFile = (name: string): name is OpenstackFile => Object.hasOwn(OPENSTACK_FILES, name)

async function openstackFile(
  name: OpenstackFile,
  version: string,
  subject: Subject,
): Promise<Found | 'password' | undefined> {
  const { server } = subject
  // Nova answers for the network in versions that do not list it, too, and does not call it JSON.
  if (name === 'network_data.json') return { contentType: TEXT, body: json(networkData(await subject.ports())) }
  if (OPENSTACK_FILES[name] > version) return undefined
  switch (name) {
    case 'meta_data.json': {
      const tagged = server.requestedNics.some(({ tag }) => tag !== undefined)
      const body = json(metaData({ ...subject, ports: tagged ? await subject.ports() : [] }, version))
      return { contentType: JSON_TYPE, body }
    }
    case 'user_data':
      return server.userData === null ? undefined : { contentType: TEXT, body: bytesOf(server.userData) }
    case 'password':
      return 'password'
    case 'vendor_data.json': {
      const fixed = await subject.fixedVendorData()
      return fixed === undefined ? undefined : { contentType: JSON_TYPE, body: json(fixed) }
    }
    case 'vendor_data2.json':
      return { contentType: JSON_TYPE, body: json(await subject.combinedVendorData()) }
  }
}

async function ec2([versionName, ...rest]: readonly string[], subject: Subject): Promise<Found | undefined> {
  if (versionName === undefined) return ROOT
  const version = versionNamed(versionName, EC2_VERSIONS)
  if (version === undefined) return undefined
  const { server, dhcpDomain } = subject
  const [section, ...path] = rest
  if (section === undefined) return list(['meta-data/', ...(server.userData === null ? [] : ['user-data'])])
  if (section === 'user-data' && path.length === 0 && server.userData !== null)
    return { contentType: TEXT, body: bytesOf(server.userData) }
  if (section !== 'meta-data') return undefined
  const told = {
    hostname: fullHostname(server, dhcpDomain),
    localIp: subject.localIp(),
    publicIp: path[0] === 'public-ipv4' ? await subject.publicIp() : '',
  }
  return leafOrFolder(ec2MetaData(server, told, version), path, server)
}

function leafOrFolder(tree: Document, path: readonly string[], server: Server): Found | undefined {
  let node: unknown = tree
  for (const part of path) {
    if (!isFolder(node) || !Object.hasOwn(node, part)) return undefined
    node = node[part]
  }
  if (Array.isArray(node)) return list(node.map(String))
  if (!isFolder(node)) return text(String(node))
  const names = Object.entries(node).map(([name, value]) => (isFolder(value) ? `${name}/` : name))
  // The keys' own folder shows a number and a name: `0=mykey`.
  return list(
    path.length === 1 && path[0] === 'public-keys'
      ? names.map((name) => `${name.slice(0, -1)}=${server.keyName ?? ''}`)
      : names.toSorted(),
  )
}

const isFolder = (node: unknown): node is Document => typeof node === 'object' && node !== null && !Array.isArray(node)
