/**
 * What an image may be fetched from: hosts the operator names, never an address of this machine, this site or a cloud's metadata, after redirects
 * neither. A name is resolved once, its addresses are checked, and the connection goes to those: what the name says the next moment does not count.
 */
import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { badRequest } from '../openstack/fault.ts'

export interface WebSources {
  /** Names or addresses, as they stand in the URL. Empty: nothing may be fetched. */
  readonly allowedHosts: readonly string[]
  readonly allowedPorts: readonly number[]
  /** Private networks (CIDR) that may be reached after all: a mirror within the site. */
  readonly allowedNetworks: readonly string[]
}

export const NO_WEB_SOURCES: WebSources = { allowedHosts: [], allowedPorts: [80, 443], allowedNetworks: [] }

/** Resolves a name to all its addresses. */
export type Resolve = (host: string) => Promise<readonly LookupAddress[]>

const MAX_REDIRECTS = 5
const IDLE_MS = 60_000
const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

const kindOf = (family: number) => (family === 4 ? 'ipv4' : 'ipv6')

/** Not reachable from the internet, or not one machine. Source: IANA's special-purpose address registries. */
const PRIVATE = networks([
  '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24',
  '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4',
  // All of IPv6 but its global unicast, and of that what stands for an IPv4 address or for nothing.
  '::/3', '4000::/2', '8000::/1', '2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20',
]) // prettier-ignore

/** One list per family: a list of both holds IPv4 addresses to rules of IPv6 as well. */
function networks(cidrs: readonly string[]): (address: LookupAddress) => boolean {
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() }
  for (const cidr of cidrs) {
    const [network = '', bits = ''] = cidr.split('/')
    const family = isIP(network)
    if (family === 0) throw new Error(`${cidr} is not a network`)
    const kind = kindOf(family)
    lists[kind].addSubnet(network, Number(bits || (family === 4 ? 32 : 128)), kind)
  }
  return ({ address, family }) => lists[kindOf(family)].check(address, kindOf(family))
}

/** Errors: 400 for a URL that no import may name. */
export function allowedUrl(text: string, { allowedHosts, allowedPorts }: WebSources): URL {
  const refused = () => badRequest(`URI for web-download does not pass filtering: ${text.slice(0, 300)}`)
  const url = URL.canParse(text) ? new URL(text) : undefined
  const defaultPort = DEFAULT_PORTS[url?.protocol ?? '']
  if (!url || defaultPort === undefined || url.username !== '' || url.password !== '') throw refused()
  const port = url.port === '' ? defaultPort : Number(url.port)
  const host = hostOf(url)
  if (!allowedHosts.some((allowed) => allowed.toLowerCase() === host) || !allowedPorts.includes(port)) throw refused()
  return url
}

/** `[::1]` is `::1`, and a name may end with the root's dot. */
const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')

export const systemResolve: Resolve = (host) => lookup(host, { all: true })

/** The bytes, from their start; the caller reads or destroys them. Errors: Fault 400, and Error with a sentence for the task's message. */
export async function openWebSource(
  uri: string,
  sources: WebSources,
  signal: AbortSignal,
  resolve: Resolve = systemResolve,
): Promise<IncomingMessage> {
  const reachable = networks(sources.allowedNetworks)
  let url = allowedUrl(uri, sources)
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const host = hostOf(url)
    const addresses = isIP(host) ? [{ address: host, family: isIP(host) }] : await resolve(host)
    if (addresses.length === 0) throw new Error(`${host} has no address`)
    for (const each of addresses)
      if (PRIVATE(each) && !reachable(each))
        throw new Error(`${host} is at a private address, from which nothing is fetched`)
    const message = await get(url, addresses, signal)
    const status = message.statusCode ?? 0
    const { location } = message.headers
    if (status === 200) return identity(message)
    message.destroy()
    if (![301, 302, 303, 307, 308].includes(status) || location === undefined)
      throw new Error(`${host} answered ${status}`)
    if (!URL.canParse(location, url)) throw new Error(`${host} leads to nowhere`)
    url = allowedUrl(new URL(location, url).href, sources)
  }
  throw new Error(`it was passed on more than ${MAX_REDIRECTS} times`)
}

/** What is stored must be what the host has, not what it made of it on the way. */
function identity(message: IncomingMessage): IncomingMessage {
  const encoding = message.headers['content-encoding'] ?? 'identity'
  if (encoding === 'identity') return message
  message.destroy()
  throw new Error(`the data come encoded as ${encoding.slice(0, 40)}`)
}

function get(url: URL, addresses: readonly LookupAddress[], signal: AbortSignal): Promise<IncomingMessage> {
  const checked: LookupFunction = (_host, options, done) => {
    const [first = { address: '', family: 4 }] = addresses
    if (options.all) done(null, [...addresses])
    else done(null, first.address, first.family)
  }
  return new Promise((done, fail) => {
    const options = {
      lookup: checked,
      agent: false,
      signal,
      timeout: IDLE_MS,
      headers: { accept: '*/*', 'accept-encoding': 'identity' },
    }
    const out = url.protocol === 'https:' ? httpsRequest(url, options, done) : httpRequest(url, options, done)
    out.on('timeout', () => out.destroy(new Error('silent for too long')))
    out.on('error', (error) => fail(new Error(`${hostOf(url)} cannot be read: ${error.message}`, { cause: error })))
    out.end()
  })
}
