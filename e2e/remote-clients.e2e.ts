// Clients on another machine, which is a network namespace here: they get to every service by what the catalog tells, also by HTTPS.
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
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
  writeFileSync(file('conf'), `[DEFAULT]\nssl_cert_file = ${file('cert')}\nssl_key_file = ${file('cert.key')}\n`)
  const { urls } = await restart('--endpoint-host', NAME, '--config', file('conf'))
  assert.match(urls['compute'] ?? '', new RegExp(`^https://${NAME}:`))
  assert.match(urls['identity'] ?? '', new RegExp(`^http://${NAME}:`))
  await serves('by-name', '--os-cacert', file('ca'))
  assert.match(await elsewhere.refusal('server', 'list'), /CERTIFICATE_VERIFY_FAILED/)
})

/** Signed by an authority that nobody knows, as inside a company. */
async function certificateFor(name: string): Promise<void> {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const made = (what: string) => ['req', '-x509', ...key, '-keyout', file(`${what}.key`), '-out', file(what)]
  const signed = ['-CA', file('ca'), '-CAkey', file('ca.key'), '-addext', 'basicConstraints=critical,CA:FALSE']
  await run('openssl', [...made('ca'), '-subj', '/CN=authority'])
  await run('openssl', [...made('cert'), ...signed, '-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`])
}
