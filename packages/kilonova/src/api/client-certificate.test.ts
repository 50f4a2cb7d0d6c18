/** OpenSSL itself, inside Node, reads what is written here. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { connect, createServer, type PeerCertificate, type TLSSocket } from 'node:tls'
import { clientCertificate } from './client-certificate.ts'

const NOW = Date.UTC(2045, 5, 1, 12, 30, 5)

test('the certificate names the user, is good for clients, for ten years, and signs itself', async () => {
  const { certificate } = await clientCertificate('5bace446d381', NOW)
  const read = new X509Certificate(certificate)
  assert.equal(read.subject, 'CN=5bace446d381')
  assert.equal(read.issuer, read.subject)
  assert.deepEqual(read.keyUsage, ['1.3.6.1.5.5.7.3.2'])
  assert.match(read.subjectAltName ?? '', /5bace446d381@localhost/)
  assert.equal(read.validFromDate.getTime(), NOW)
  assert.equal(read.validToDate.getTime(), NOW + 3650 * 86_400_000)
  assert.ok(read.verify(read.publicKey))
})

test('who has the PKCS #12 shows the certificate over TLS, without a password', async (t) => {
  const server = await clientCertificate('server', Date.now())
  const client = await clientCertificate('client', Date.now())
  const listener = createServer({
    pfx: Buffer.from(server.privateKey, 'base64'),
    passphrase: '',
    ca: [client.certificate],
    requestCert: true,
    rejectUnauthorized: true,
  }).listen(0, '127.0.0.1')
  t.after(() => listener.close())
  await once(listener, 'listening')
  const shown = new Promise<PeerCertificate>((resolve, reject) => {
    listener.on('secureConnection', (socket: TLSSocket) => resolve(socket.getPeerCertificate()))
    listener.on('tlsClientError', reject)
  })
  const socket = connect({
    port: (listener.address() as AddressInfo).port,
    host: '127.0.0.1',
    pfx: Buffer.from(client.privateKey, 'base64'),
    passphrase: '',
    ca: [server.certificate],
    rejectUnauthorized: false, // its own name is no host's
  })
  t.after(() => socket.destroy())
  assert.equal((await shown).subject.CN, 'client')
})
