/** A service's own token: asked for once, kept until shortly before it expires, shared by all who wait for it. */
import type { Clock } from '@kilonova/base/clock.ts'
import { exchange } from '@kilonova/base/http/client.ts'
import { Fault } from './fault.ts'

export interface ServiceCredentials {
  readonly username: string
  readonly password: string
  readonly projectName: string
  /** `default` when absent. */
  readonly userDomainId?: string
  readonly projectDomainId?: string
}

export interface ServiceToken {
  get(): Promise<string>
  /** The identity service refused it: the next `get` asks for a new one. */
  forget(token: string): void
}

const TIMEOUT_MS = 10_000

/** `http://host:5000` and `http://host:5000/v3` name the same service. */
export const identityRoot = (identityUrl: string): string => identityUrl.replace(/\/+(v3\/*)?$/, '')

export function serviceToken(identityUrl: string, credentials: ServiceCredentials, clock: Clock): ServiceToken {
  let known: { readonly id: string; readonly renewAt: number } | undefined
  let asking: Promise<string> | undefined

  const ask = async (): Promise<string> => {
    const { status, headers, body } = await exchange({
      method: 'POST',
      url: `${identityRoot(identityUrl)}/v3/auth/tokens?nocatalog`,
      json: { auth: authentication(credentials) },
      timeoutMs: TIMEOUT_MS,
    })
    const id = headers['x-subject-token']
    if (status !== 201 || typeof id !== 'string') throw new Fault(503, 'The identity service refused our credentials.')
    const { expires_at: expiresAt } = (body as { token: { expires_at: string } }).token
    const left = Date.parse(expiresAt) - clock.now()
    known = { id, renewAt: clock.now() + left - Math.min(60_000, left / 4) }
    return id
  }
  return {
    get: () => {
      if (known && clock.now() < known.renewAt) return Promise.resolve(known.id)
      asking ??= ask().finally(() => (asking = undefined))
      return asking
    },
    forget: (token) => {
      if (known?.id === token) known = undefined
    },
  }
}

const authentication = ({ username, password, projectName, userDomainId, projectDomainId }: ServiceCredentials) => ({
  identity: {
    methods: ['password'],
    password: { user: { name: username, password, domain: { id: userDomainId ?? 'default' } } },
  },
  scope: { project: { name: projectName, domain: { id: projectDomainId ?? 'default' } } },
})
