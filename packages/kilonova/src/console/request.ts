/** What a console's client says when it comes: its token, and where its page is from. Pure. */
import type { IncomingHttpHeaders } from 'node:http'

const MAX_TOKEN_LENGTH = 128

/** From `?token=…`, from `?path=?token=…` (noVNC), or from a cookie `token`, as older noVNCs have it. Undefined: none. */
export function tokenOf(url: string, { cookie }: IncomingHttpHeaders): string | undefined {
  const query = queryOf(url)
  const cookies = (cookie ?? '').split(';').map((part) => part.trim().split('='))
  const found = [
    query.get('token'),
    queryOf(query.get('path') ?? '').get('token'),
    cookies.find(([name]) => name === 'token')?.[1]?.replaceAll('"', ''),
  ].find((token) => token !== null && token !== undefined && token !== '')
  return found !== undefined && found !== null && found.length <= MAX_TOKEN_LENGTH ? found : undefined
}

const queryOf = (url: string): URLSearchParams => {
  const mark = url.indexOf('?')
  return new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))
}

/** The schemes of pages that may open a console whose URL has the key's. */
const SCHEMES: Readonly<Record<string, readonly string[]>> = {
  'http:': ['http'],
  'https:': ['https'],
  'ws:': ['ws', 'http'],
  'wss:': ['wss', 'https'],
}

/**
 * Why a page may not open a console, as upstream has it: pages of the host that the proxy is reached at may, and of hosts that are
 * allowed by name, if they are as secure as the console's own URL. Undefined: it may. What is no browser sends no Origin.
 */
export function originFlaw(
  { origin, host, 'x-forwarded-proto': forwarded }: IncomingHttpHeaders,
  accessUrlBase: string,
  allowedHosts: readonly string[],
): string | undefined {
  if (origin === undefined) return undefined
  const page = URL.canParse(origin) ? new URL(origin) : undefined
  const scheme = typeof forwarded === 'string' ? forwarded : page?.protocol.slice(0, -1)
  if (!page || page.hostname === '' || scheme === '') return 'Origin header not valid.'
  const own = URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : undefined
  if (page.hostname !== own && !allowedHosts.includes(bare(page.hostname)))
    return 'Origin header does not match this host.'
  const schemes = URL.canParse(accessUrlBase) ? SCHEMES[new URL(accessUrlBase).protocol] : undefined
  return schemes?.includes(scheme ?? '') ? undefined : 'Origin header protocol does not match this host.'
}

/** Without the brackets of version 6. */
const bare = (host: string): string => host.replace(/^\[|\]$/g, '')
