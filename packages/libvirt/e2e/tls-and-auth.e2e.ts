/** Real libvirtd over TLS, and what it says when it wants an authentication we do not speak. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect } from '../src/client.ts'
import { AuthRefusedError, ConnectionLostError } from '../src/errors.ts'
import { clientTls, makeCertificates } from './certificates.ts'
import { freePort, privateLibvirtd } from './private-libvirtd.ts'

const scratch = await mkdtemp(join(tmpdir(), 'libvirt-tls-'))
const certificates = await makeCertificates(scratch)
const port = await freePort()
const daemon = await privateLibvirtd({
  auth_tcp: 'sasl',
  listen_tls: 1,
  tls_port: String(port),
  auth_tls: 'none',
  ca_file: certificates.ca,
  cert_file: certificates.server.cert,
  key_file: certificates.server.key,
})
after(async () => {
  await daemon.remove()
  await rm(scratch, { recursive: true, force: true })
})
const uri = 'test:///default'

test('speaks over TLS with a client certificate', async () => {
  const client = await connect({ host: '127.0.0.1', port, tls: await clientTls(certificates) }, { uri })
  assert.equal((await client.domainLookupByName('test')).name, 'test')
  assert.match(await client.connectGetCapabilities(), /<capabilities>/)
  await client.close()
})

test('is refused without a certificate of its own', async () => {
  const { ca } = await clientTls(certificates)
  await assert.rejects(connect({ host: '127.0.0.1', port, tls: { ca } }, { uri }), ConnectionLostError)
})

test('does not talk to a daemon it cannot verify', async () => {
  await assert.rejects(connect({ host: '127.0.0.1', port, tls: true }, { uri }), /cannot reach libvirtd/)
})

test('refuses SASL with a reason', async () => {
  await assert.rejects(
    connect({ host: '127.0.0.1', port: daemon.tcpPort }, { uri }),
    (error: Error) => error instanceof AuthRefusedError && /wants SASL authentication/.test(error.message),
  )
})
