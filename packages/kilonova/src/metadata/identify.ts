/** Who asks for metadata: what a proxy says of the guest behind it, once its signature proves that it is one. Upstream: nova/api/metadata/handler.py. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

export interface Proxies {
  /** The secret of our own hosts' listeners. */
  readonly ownSecret: string
  /** That of the network service's proxies; undefined: they are not believed. */
  readonly foreignSecret: string | undefined
}

/** A server, or the address that a guest has in the networks of a metadata provider (NSX). */
export type Claim =
  | { readonly kind: 'server'; readonly serverId: string; readonly projectId: string; readonly address: string }
  | { readonly kind: 'provider'; readonly providerId: string; readonly address: string }
export interface Refusal {
  readonly kind: 'refused'
  readonly status: 400 | 403
  readonly reason: string
}

export function identify(headers: IncomingHttpHeaders, { ownSecret, foreignSecret }: Proxies): Claim | Refusal {
  const said = (name: string): string | undefined => {
    const value = headers[name]
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const forwardedFor = said('x-forwarded-for')?.split(',')[0]?.trim() ?? ''
  const providerId = foreignSecret === undefined ? undefined : said('x-metadata-provider')
  if (providerId !== undefined && foreignSecret !== undefined) {
    if (forwardedFor === '') return refused(400, 'X-Forwarded-For is missing from request.')
    const signature = said('x-metadata-provider-signature') ?? ''
    return isSigned(providerId, signature, foreignSecret)
      ? { kind: 'provider', providerId, address: forwardedFor }
      : FORGED
  }
  const [serverId, signature, projectId] = ['x-instance-id', 'x-instance-id-signature', 'x-tenant-id'].map(said)
  if (serverId === undefined) return missing('X-Instance-ID')
  if (signature === undefined) return missing('X-Instance-ID-Signature')
  if (projectId === undefined) return missing('X-Tenant-ID')
  // Both are tried always: how long it takes tells nothing.
  const secrets = foreignSecret === undefined ? [ownSecret] : [ownSecret, foreignSecret]
  const proven = secrets.map((secret) => isSigned(serverId, signature, secret)).includes(true)
  return proven ? { kind: 'server', serverId, projectId, address: forwardedFor } : FORGED
}

const refused = (status: Refusal['status'], reason: string): Refusal => ({ kind: 'refused', status, reason })
const missing = (header: string): Refusal => refused(400, `${header} header is missing from request.`)
const FORGED = refused(403, 'Invalid proxy request signature.')

function isSigned(text: string, signature: string, secret: string): boolean {
  const expected = Buffer.from(createHmac('sha256', secret).update(text).digest('hex'))
  const given = Buffer.from(signature)
  return given.length === expected.length && timingSafeEqual(given, expected)
}
