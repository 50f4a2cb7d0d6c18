/** With a certificate both ways are encrypted: from the client to the proxy, and from the proxy to the guest's host. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { connect } from 'node:tls'
import { certificateFiles, type CertificateFiles } from '@kilonova/base/http/tls.ts'
import { createWebSocketStream } from 'ws'
import { textOf } from '../virt/console-reader.ts'
import { reachGuest } from './reach-guest.ts'
import { proxyWorld } from './testing/proxy-world.ts'

function certificate(t: TestContext): CertificateFiles {
  const folder = mkdtempSync(join(tmpdir(), 'console-tls-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=console.example`
  execFileSync('openssl', [...words.split(' '), '-keyout', key, '-out', cert], { stdio: 'ignore' })
  return certificateFiles(cert, key)
}

test('a serial line through TLS', async (t) => {
  const { proxy, server, token, open } = await proxyWorld(t, { kind: 'serial', tls: certificate(t) })
  assert.match(proxy.url, /^https:/)
  const line = createWebSocketStream(open(`/?token=${await token(await server())}`))
  line.on('error', () => {})
  line.write('hello\r')
  await textOf(line).until(/hello: command not found/)
})

test('the oldest TLS that is spoken can be chosen', async (t) => {
  const { proxy } = await proxyWorld(t, { tls: certificate(t), tlsLimits: { minVersion: 'TLSv1.3' } })
  const port = Number(new URL(proxy.url).port)
  const old = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, maxVersion: 'TLSv1.2' })
  await assert.rejects(once(old, 'secureConnect'), /alert|protocol version|ECONNRESET/)
  const young = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(young, 'secureConnect')
  assert.equal(young.getProtocol(), 'TLSv1.3')
  young.destroy()
})

test('whoever answers in the place of a host, with another certificate, is told nothing', async (t) => {
  const { bus, server } = await proxyWorld(t, { tls: certificate(t) })
  const serverId = await server()
  const lied: typeof bus.call = async (call) => ({ ...((await bus.call(call)) as object), fingerprint: 'AA:BB' })
  const context = { requestId: '-', userId: '', projectId: '' }
  await assert.rejects(
    reachGuest({ call: lied }, { serverId, host: 'h1', kind: 'vnc' }, context),
    /whoever answers there is not the host/,
  )
})
