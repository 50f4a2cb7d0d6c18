// Clients on another machine, which is a network namespace here: they get to every service by what the catalog tells, also by HTTPS.
import assert from 'node:assert/strict'
import { randomInt, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { run } from '@kilonova/kilonova/virt/network/command.ts'
import { oneCloud, type OneCloud } from '../test/one-cloud.ts'
import { stockClient, type StockClient } from './stock-client.ts'

/** Known on the other machine alone. */
const NAME = 'cloud.example'
const LISTEN = ['--listen', '0.0.0.0'] as const
// By the prefix the runner removes what a killed test leaves.
const prefix = process.env['KILONOVA_TEST_PREFIX'] ?? 'ktrc'
const namespace = `${prefix}-elsewhere`
const wire = `${prefix}rc`
// One of 64 blocks, for runs beside each other.
const block = 4 * randomInt(64)
const [ours, theirs] = [`198.51.100.${block + 1}`, `198.51.100.${block + 2}`]

let folder = ''
let cloud: OneCloud | undefined
let elsewhere: StockClient
const file = (name: string): string => join(folder, name)

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'remote-'))
  await run('ip', ['netns', 'add', namespace])
  await run('ip', ['link', 'add', wire, 'type', 'veth', 'peer', 'name', 'out', 'netns', namespace])
  await run('ip', ['addr', 'add', `${ours}/30`, 'dev', wire])
  await run('ip', ['link', 'set', wire, 'up'])
  await run('ip', ['-n', namespace, 'addr', 'add', `${theirs}/30`, 'dev', 'out'])
  await run('ip', ['-n', namespace, 'link', 'set', 'out', 'up'])
  await run('ip', ['-n', namespace, 'route', 'add', 'default', 'via', ours])
  writeFileSync(file('hosts'), `${ours} ${NAME}\n`)
  const inNamespace = ['nsenter', `--net=/run/netns/${namespace}`, 'unshare', '--mount']
  const withHosts = ['sh', '-c', `mount --bind ${file('hosts')} /etc/hosts && exec "$@"`, 'sh']
  elsewhere = stockClient({ cloudsYaml: file('state/clouds.yaml') }, 'kilonova', [...inNamespace, ...withHosts])
})
after(async () => {
  await cloud?.close()
  await run('ip', ['netns', 'delete', namespace])
  rmSync(folder, { recursive: true })
})

async function restart(...more: readonly string[]): Promise<OneCloud> {
  await cloud?.close()
  return (cloud = await oneCloud(file('state'), {}, [...LISTEN, ...more]))
}

/** A new server needs all four services, and the cloud's own clients too. */
async function serves(name: string, ...how: readonly string[]): Promise<void> {
  const wish = ['--image', 'demo', '--flavor', 'm1.nano', '--network', 'private', '--wait']
  assert.equal(await elsewhere.value('status', ...how, 'server', 'create', ...wish, name), 'ACTIVE')
}

test('who listens everywhere tells an address at which clients elsewhere find every service', async () => {
  const { urls } = await restart()
  for (const url of Object.values(urls)) assert.doesNotMatch(url, /0\.0\.0\.0|127\./)
  await serves('by-address')
})

test('a name that only clients elsewhere know, and HTTPS with a certificate for it', async () => {
  await certificateFor(NAME)
  const tls = `[DEFAULT]\nssl_cert_file = ${file('cert')}\nssl_key_file = ${file('cert.key')}\n`
  writeFileSync(file('conf'), tls)
  const { urls } = await restart('--endpoint-host', NAME, '--config', file('conf'))
  for (const url of Object.values(urls)) assert.match(url, new RegExp(`^https://${NAME}:`))
  await serves('by-name', '--os-cacert', file('ca'))
  assert.match(await elsewhere.refusal('server', 'list'), /CERTIFICATE_VERIFY_FAILED/)
})

test('every listener shows the certificate, and a new one when it is told to look', async () => {
  const services = Object.entries(cloud?.urls ?? {}).map(
    ([service, url]) => [service, Number(new URL(url).port)] as const,
  )
  const before = await Promise.all(services.map(([, port]) => shownBy(port)))
  assert.deepEqual(new Set(before), new Set([fingerprint()]))
  for (const [service, port] of services) assert.equal(await plainAnswer(port), '', `${service} speaks in clear text`)
  await certificateFor(NAME)
  cloud?.readCertificate()
  const later = await Promise.all(services.map(([, port]) => shownBy(port)))
  assert.deepEqual(new Set(later), new Set([fingerprint()]))
  assert.notEqual(later[0], before[0])
  await serves('by-new-certificate', '--os-cacert', file('ca'))
})

test('with [keystone_authtoken] cafile, clouds.yaml tells clients whom to believe', async () => {
  writeFileSync(file('conf'), `[keystone_authtoken]\ncafile = ${file('ca')}\n`, { flag: 'a' })
  await restart('--endpoint-host', NAME, '--config', file('conf'))
  await serves('by-clouds-yaml')
})

const fingerprint = (): string => new X509Certificate(readFileSync(file('cert'))).fingerprint256

async function shownBy(port: number): Promise<string> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, minVersion: 'TLSv1.2' })
  await once(socket, 'secureConnect')
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256
}

async function plainAnswer(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined)
  let text = ''
  socket.setEncoding('latin1').on('data', (part: string) => (text += part))
  socket.write('GET / HTTP/1.1\r\nhost: here\r\n\r\n')
  await once(socket, 'close')
  return text.startsWith('HTTP') ? text : ''
}

/** Signed by an authority that nobody knows, as inside a company. */
async function certificateFor(name: string): Promise<void> {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const made = (what: string) => ['req', '-x509', ...key, '-keyout', file(`${what}.key`), '-out', file(what)]
  const signed = ['-CA', file('ca'), '-CAkey', file('ca.key'), '-addext', 'basicConstraints=critical,CA:FALSE']
  await run('openssl', [...made('ca'), '-subj', '/CN=authority'])
  await run('openssl', [...made('cert'), ...signed, '-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`])
}
