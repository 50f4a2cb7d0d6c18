/** Identity: who a token belongs to, our own token, and where the other services are. Upstream: Keystone v3. */
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
  /** Undefined: unknown, expired, revoked, or not scoped to a project. Errors: NovaError ServiceUnavailable. */
  validate(token: string): Promise<Identity | undefined>
  /** Our own token, renewed before it expires. */
  serviceToken(): Promise<string>
  /** The URL of a service in the catalog: `image`, `network`. */
  endpoint(type: string): Promise<string>
}
