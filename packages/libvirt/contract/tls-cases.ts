/** The contract of TLS: who talks to whom. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConnectionOptions } from 'node:tls'
import type { Client } from '../src/client.ts'
import { ConnectionLostError } from '../src/errors.ts'

/** An authority, and a client certificate of it with its key, all PEM. */
export interface ClientTls {
  readonly ca: Buffer
  readonly key: Buffer
  readonly cert: Buffer
}

export interface TlsTarget {
  readonly name: string
  /** To a daemon on the loopback address that trusts `ours.ca`, and whose certificate is of `ours.ca`, for 127.0.0.1 alone. */
  connect(host: '127.0.0.1' | 'localhost', tls: ConnectionOptions | true): Promise<Client>
  readonly ours: ClientTls
  /** Of another authority. */
  readonly strangers: ClientTls
}

/** Which of them depends on whether the daemon sends its authority's certificate, too. */
const UNTRUSTED = ['SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'] as const

/** The reason that Node or OpenSSL gives for not trusting a daemon. */
const reasonOf = ({ cause }: Error): unknown => (cause instanceof Error && 'code' in cause ? cause.code : undefined)

export function tlsCases({ name, connect, ours, strangers }: TlsTarget): void {
  const it = (what: string, run: () => Promise<void>): void => void test(`${name}: ${what}`, { timeout: 60_000 }, run)
  const refuses = async (connecting: Promise<Client>, is: (error: ConnectionLostError) => boolean): Promise<void> => {
    await assert.rejects(connecting, (error) => error instanceof ConnectionLostError && is(error))
    const client = await connect('127.0.0.1', ours)
    assert.notEqual(await client.connectGetHostname(), '')
    await client.close()
  }
  /** It hung up on us, for reasons of its own. */
  const byDaemon = (error: ConnectionLostError): boolean =>
    /^cannot reach libvirtd at 127\.0\.0\.1: (closed|read ECONNRESET)$/.test(error.message)
  const byUs =
    (...codes: readonly string[]) =>
    (error: ConnectionLostError): boolean =>
      codes.includes(String(reasonOf(error)))

  it('speaks with a client whose certificate it trusts', async () => {
    const client = await connect('127.0.0.1', ours)
    assert.match(await client.connectGetCapabilities(), /<capabilities>/)
    await client.close()
  })

  it('refuses a client without a certificate', () => refuses(connect('127.0.0.1', { ca: ours.ca }), byDaemon))

  it('refuses a client whose certificate is of another authority', () =>
    refuses(connect('127.0.0.1', { ...strangers, ca: ours.ca }), byDaemon))

  it('is not spoken to when its certificate is of another authority', () =>
    refuses(connect('127.0.0.1', { ...ours, ca: strangers.ca }), byUs(...UNTRUSTED)))

  it('is not spoken to when nothing is known of its authority', () =>
    refuses(connect('127.0.0.1', true), byUs(...UNTRUSTED)))

  it('is not spoken to when its certificate bears another name', () =>
    refuses(connect('localhost', ours), byUs('ERR_TLS_CERT_ALTNAME_INVALID')))
}
