/** What stands under a path of the metadata service: `/openstack/…` and, everywhere else, the EC2 tree. Pure. */
import {
  EC2_VERSIONS,
  ec2MetaData,
  type GuestPort,
  OPENSTACK_VERSIONS,
  openstackDocuments,
  userDataOf,
  versionNamed,
} from '../domain/guest-metadata.ts'
import type { Server } from '../domain/server.ts'

export interface Found {
  readonly contentType: string
  readonly body: Uint8Array | string
}

export interface Subject {
  readonly server: Server
  readonly ports: readonly GuestPort[]
  /** 512 random bytes in base64. */
  readonly randomSeed: string
  /** Versions dated later are not listed yet. */
  readonly now: number
}

/** Undefined: no such path. Slashes at the end or doubled mean nothing. */
export function lookup(path: string, subject: Subject): Found | undefined {
  const [head, ...tail] = path.split('/').filter((part) => part !== '')
  if (head === 'openstack') return openstack(tail, subject)
  return ec2(head === undefined || head === 'ec2' ? tail : [head, ...tail], subject)
}

const text = (body: string): Found => ({ contentType: 'text/plain; charset=utf-8', body })
const list = (names: readonly string[]): Found => text(names.join('\n'))

function openstack(
  [versionName, ...rest]: readonly string[],
  { server, ports, randomSeed, now }: Subject,
): Found | undefined {
  if (versionName === undefined) {
    const today = new Date(now).toISOString().slice(0, 10)
    return list([...OPENSTACK_VERSIONS.filter((version) => version <= today), 'latest'])
  }
  const version = versionNamed(versionName, OPENSTACK_VERSIONS)
  if (version === undefined) return undefined
  const documents = openstackDocuments(server, ports, randomSeed, version)
  const hasPassword = version >= '2013-04-04'
  if (rest.length === 0) {
    const order = [
      'meta_data.json',
      'user_data',
      'password',
      'vendor_data.json',
      'network_data.json',
      'vendor_data2.json',
    ]
    return list(order.filter((name) => name in documents || (name === 'password' && hasPassword)))
  }
  const name = rest.join('/')
  // Nobody sets one yet; Nova says so with an empty answer.
  if (name === 'password' && hasPassword) return text('')
  const body = Object.hasOwn(documents, name) ? documents[name] : undefined
  if (!body) return undefined
  return { contentType: name.endsWith('.json') ? 'application/json' : 'text/plain', body }
}

function ec2([versionName, ...rest]: readonly string[], { server, ports }: Subject): Found | undefined {
  if (versionName === undefined) return list([...EC2_VERSIONS, 'latest'])
  const version = versionNamed(versionName, EC2_VERSIONS)
  if (version === undefined) return undefined
  const [section, ...path] = rest
  if (section === undefined)
    return list(
      ['meta-data', ...(server.userData === null ? [] : ['user-data'])].map((name) =>
        name === 'meta-data' ? `${name}/` : name,
      ),
    )
  if (section === 'user-data' && path.length === 0 && server.userData !== null) {
    return { contentType: 'text/plain', body: userDataOf(server.userData) }
  }
  return section === 'meta-data' ? leafOrFolder(ec2MetaData(server, ports, version), path, server) : undefined
}

function leafOrFolder(
  tree: Readonly<Record<string, unknown>>,
  path: readonly string[],
  server: Server,
): Found | undefined {
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

const isFolder = (node: unknown): node is Readonly<Record<string, unknown>> =>
  typeof node === 'object' && node !== null && !Array.isArray(node)
