/** Identity: who a token belongs to, our own token, and where the other services are. Upstream: Keystone v3. */
import { hash } from 'node:crypto'
import type { Clock } from '@kilonova/base/clock.ts'
import { isNovaError } from '../domain/errors.ts'
import { kept } from './kept.ts'
import { followRevocations, type RevocationFeed } from './keystone-revocations.ts'
import { ask, refused, unavailable, withoutVersion } from './service.ts'

export interface Identity {
  readonly userId: string
  readonly userName: string
  readonly projectId: string
  readonly projectName: string
  readonly domainId: string
  readonly roles: readonly string[]
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}

export interface Keystone {
  /**
   * Undefined: unknown, expired, revoked, or not scoped to a project. An answer is kept for 4 s at most; where the identity
   * service tells what it revoked, it is dropped at once. Errors: NovaError ServiceUnavailable.
   */
  validate(token: string): Promise<Identity | undefined>
  /** Our own token, renewed before it expires. */
  serviceToken(): Promise<string>
  /** The service answered 401 to it: the next one is asked for anew. */
  forgetServiceToken(token: string): void
  /** Whether there is such a project, asked with the user's token. Who may not be told, or cannot be asked, does not say no. */
  projectExists(id: string, token: string): Promise<boolean>
  /** The URL of a service in the catalog: `image`, `network`. */
  endpoint(type: string): Promise<string>
}

export interface KeystoneClient extends Keystone {
  close(): Promise<void>
}

export interface KeystoneOptions {
  /** With or without `/v3`. */
  readonly authUrl: string
  readonly username: string
  readonly password: string
  readonly projectName: string
  readonly userDomainName: string
  readonly projectDomainName: string
  readonly regionName: string | undefined
  readonly interface: 'public' | 'internal' | 'admin'
  readonly clock: Clock
}

interface Known {
  readonly identity: Identity
  readonly auditId: string | undefined
}
interface Own {
  readonly id: string
  readonly renewAt: number
  readonly catalog: readonly CatalogEntry[]
}
interface CatalogEntry {
  readonly type: string
  readonly endpoints: readonly {
    readonly interface: string
    readonly url: string
    readonly region_id?: string | null
    readonly region?: string | null
  }[]
}
interface TokenBody {
  readonly token: {
    readonly expires_at: string
    readonly audit_ids?: readonly string[]
    readonly user: { readonly id: string; readonly name: string; readonly domain?: { readonly id: string } }
    readonly project?: { readonly id: string; readonly name: string }
    readonly roles?: readonly { readonly name: string }[]
    readonly catalog?: readonly CatalogEntry[]
  }
}

const IDENTITY = 'identity'
const KEPT_MS = 4_000
/** While it is not known what was revoked meanwhile. */
const BRIEF_MS = 800
const FEED_RETRY_MS = 1_000
const FEED_TIMEOUT_MS = 40_000
const MAX_KEPT = 10_000
const MAX_TOKEN_LENGTH = 8_192

export function keystone(options: KeystoneOptions): KeystoneClient {
  const { clock } = options
  const root = withoutVersion(options.authUrl)
  const tokensUrl = `${root}/v3/auth/tokens`
  const identities = kept<Known | undefined>(
    clock,
    (known) => Math.min(feed?.heard() ? KEPT_MS : BRIEF_MS, (known?.identity.expiresAt ?? Infinity) - clock.now()),
    MAX_KEPT,
  )
  /** Followed from the first token on that is to be looked at. */
  let feed: RevocationFeed | undefined
  let closed = false
  let own: Own | undefined
  let asking: Promise<Own> | undefined

  async function authenticate(): Promise<Own> {
    const answer = await ask(IDENTITY, { method: 'POST', url: tokensUrl, json: { auth: credentials(options) } })
    const id = answer.headers['x-subject-token']
    if (answer.status !== 201 || typeof id !== 'string') throw refused(IDENTITY, answer)
    const { token } = answer.body as TokenBody
    const leftMs = Date.parse(token.expires_at) - clock.now()
    return (own = { id, renewAt: clock.now() + leftMs - Math.min(120_000, leftMs / 4), catalog: token.catalog ?? [] })
  }
  const ours = async (): Promise<Own> =>
    own && clock.now() < own.renewAt ? own : (asking ??= authenticate().finally(() => (asking = undefined)))
  const forget = (token: string): void => {
    if (own?.id === token) own = undefined
  }

  const follow = (): RevocationFeed =>
    followRevocations({
      retryMs: FEED_RETRY_MS,
      ask: async (path, signal) => {
        const { id } = await ours()
        const request = { url: `${root}${path}`, headers: { 'x-auth-token': id }, timeoutMs: FEED_TIMEOUT_MS, signal }
        const answer = await ask(IDENTITY, { method: 'GET', ...request })
        if (answer.status !== 401) return answer
        forget(id)
        throw refused(IDENTITY, answer)
      },
      ended: ({ all, auditIds, userIds }) =>
        identities.forgetWhere(
          (known) =>
            all || (known && (auditIds.has(known.auditId ?? '') || userIds.has(known.identity.userId))) === true,
        ),
    })

  async function look(token: string, again = true): Promise<Known | undefined> {
    const { id } = await ours()
    const answer = await ask(IDENTITY, {
      method: 'GET',
      url: `${tokensUrl}?nocatalog`,
      headers: { 'x-auth-token': id, 'x-subject-token': token },
    })
    if (answer.status === 404) return undefined
    if (answer.status === 401 && again) {
      forget(id)
      return look(token, false)
    }
    if (answer.status !== 200) throw refused(IDENTITY, answer)
    const body = answer.body as TokenBody
    const identity = identityOf(body)
    return identity && identity.expiresAt > clock.now() ? { identity, auditId: body.token.audit_ids?.[0] } : undefined
  }

  return {
    validate: async (token) => {
      if (token.length > MAX_TOKEN_LENGTH || !/^[\x21-\x7e]+$/.test(token)) return undefined
      if (!feed && !closed) feed = follow()
      await feed?.ready
      return (await identities.get(hash('sha256', token), () => look(token)))?.identity
    },
    serviceToken: async () => (await ours()).id,
    forgetServiceToken: forget,
    projectExists: async (id, token) => {
      const url = `${root}/v3/projects/${encodeURIComponent(id)}`
      try {
        return (await ask(IDENTITY, { method: 'GET', url, headers: { 'x-auth-token': token } })).status !== 404
      } catch (error) {
        if (isNovaError(error, 'ServiceUnavailable')) return true
        throw error
      }
    },
    endpoint: async (type) => {
      const { catalog } = await ours()
      const found = catalog
        .filter((service) => service.type === type)
        .flatMap(({ endpoints }) => endpoints)
        .find(
          (e) =>
            e.interface === options.interface &&
            (options.regionName === undefined || (e.region_id ?? e.region) === options.regionName),
        )
      if (!found) throw unavailable(type, `the catalog has no ${options.interface} endpoint for it`)
      return found.url
    },
    close: async () => {
      closed = true
      feed?.close()
    },
  }
}

const credentials = (options: KeystoneOptions) => ({
  identity: {
    methods: ['password'],
    password: { user: { name: options.username, password: options.password, domain: domain(options.userDomainName) } },
  },
  scope: { project: { name: options.projectName, domain: domain(options.projectDomainName) } },
})
/** `default` is an id; every other word may only be a name. */
const domain = (name: string) => (name === 'default' ? { id: name } : { name })

function identityOf({ token }: TokenBody): Identity | undefined {
  if (!token.project) return undefined
  return {
    userId: token.user.id,
    userName: token.user.name,
    projectId: token.project.id,
    projectName: token.project.name,
    domainId: token.user.domain?.id ?? 'default',
    roles: (token.roles ?? []).map(({ name }) => name.toLowerCase()),
    expiresAt: Date.parse(token.expires_at),
  }
}
