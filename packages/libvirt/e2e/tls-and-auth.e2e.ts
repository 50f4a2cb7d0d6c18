/** TLS, to real libvirtd and to the fake, and what real libvirtd says when it wants an authentication we do not speak. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { contractCases } from '../contract/cases.ts'
import { tlsCases } from '../contract/tls-cases.ts'
import { connect } from '../src/client.ts'
import { AuthRefusedError } from '../src/errors.ts'
import { fakeLibvirtd } from '../src/fake/fake-libvirtd.ts'
import { clientTls, makeCertificates } from './certificates.ts'
import { freePort, privateLibvirtd } from './private-libvirtd.ts'

const scratch = await mkdtemp(join(tmpdir(), 'libvirt-tls-'))
const [certificates, strange] = await Promise.all(
  ['ours', 'strangers'].map((name) => makeCertificates(join(scratch, name))),
)
assert(certificates && strange)
const [ours, strangers] = [await clientTls(certificates), await clientTls(strange)]
const { server } = certificates
const [daemonPort, fakePort] = [await freePort(), await freePort()]
const daemon = await privateLibvirtd({
  auth_tcp: 'sasl',
  listen_tls: 1,
  tls_port: String(daemonPort),
  auth_tls: 'none',
  ca_file: certificates.ca,
  cert_file: server.cert,
  key_file: server.key,
})
const fake = await fakeLibvirtd({
  listen: { port: fakePort, tls: { ca: ours.ca, cert: await readFile(server.cert), key: await readFile(server.key) } },
})
after(async () => {
  await Promise.all([daemon.remove(), fake.close()])
  await rm(scratch, { recursive: true, force: true })
})
const uri = 'test:///default'

for (const [name, port, missingNetwork] of [
  ['test driver over TLS', daemonPort, 'NO_NETWORK'],
  ['fake over TLS', fakePort, 'NO_SUPPORT'],
] as const) {
  tlsCases({ name, ours, strangers, connect: (host, tls) => connect({ host, port, tls }, { uri }) })
  contractCases({
    name,
    missingNetwork,
    connect: (options) => connect({ host: '127.0.0.1', port, tls: ours }, { uri, ...options }),
    domainXml: (domain, uuid) =>
      `<domain type='test'><name>${domain}</name>${uuid ? `<uuid>${uuid}</uuid>` : ''}<memory>65536</memory><os><type>hvm</type></os></domain>`,
    poolDirectory: async () => scratch,
  })
}

test('refuses SASL with a reason', async () => {
  await assert.rejects(
    connect({ host: '127.0.0.1', port: daemon.tcpPort }, { uri }),
    (error: Error) => error instanceof AuthRefusedError && /wants SASL authentication/.test(error.message),
  )
})
