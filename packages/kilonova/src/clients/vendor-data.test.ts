/** Vendor data: a file that may change, services that are asked as upstream documents it, and what a failure does. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpsServer } from 'node:https'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { silentLog } from '@kilonova/base/log.ts'
import { demoServer } from '../domain/server-fixture.ts'
import { fakeKeystone, httpService, type Answer } from './testing.ts'
import { vendorData, type VendorDataOptions } from './vendor-data.ts'

const server = demoServer()
const dataOf = (change: Partial<VendorDataOptions>) =>
  vendorData({
    providers: ['StaticJSON', 'DynamicJSON'],
    file: undefined,
    targets: [],
    connectMs: 3_000,
    readMs: 5_000,
    certificates: undefined,
    fatal: false,
    keystone: undefined,
    log: silentLog,
    ...change,
  })
function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'vendor-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}

test('a service is asked what upstream documents, and its answer stands under its name', async (t) => {
  const service = await httpService(t, ({ path }) => ({ json: { from: path } }))
  const targets = [
    { name: 'join', url: `${service.url}/join?domain=a@b` },
    { name: 'motd', url: `${service.url}/motd` },
  ]
  assert.deepEqual(await dataOf({ targets }).combined(server), {
    join: { from: '/join' },
    motd: { from: '/motd' },
    static: {},
  })
  const asked = service.asked.find(({ path }) => path === '/join') ?? assert.fail()
  assert.equal(asked.method, 'POST')
  assert.equal(asked.query.get('domain'), 'a@b')
  assert.deepEqual(asked.json, {
    'project-id': 'project-1',
    'instance-id': server.id,
    'image-id': 'image-1',
    'user-data': server.userData,
    hostname: 'demo',
    metadata: { role: 'web' },
    'boot-roles': 'member,reader',
  })
  assert.equal(asked.headers['user-agent'], 'openstack-nova-vendordata')
  assert.equal(asked.headers['x-auth-token'], undefined)
})

test('our token is sent where there is one, and a new one when it is refused', async (t) => {
  const service = await httpService(t, ({ headers }) =>
    headers['x-auth-token'] === 'ours-1' ? { status: 401 } : { json: { good: true } },
  )
  const data = dataOf({
    targets: [{ name: 'join', url: service.url }],
    keystone: fakeKeystone({}),
    providers: ['DynamicJSON'],
  })
  assert.deepEqual(await data.combined(server), { join: { good: true } })
  assert.deepEqual(
    service.asked.map(({ headers }) => headers['x-auth-token']),
    ['ours-1', 'ours-2'],
  )
})

test('a service that fails leaves its own name empty, or is an error where that is wanted', async (t) => {
  const answers: Readonly<Record<string, Answer>> = {
    '/broken': { status: 503 },
    '/refused': { status: 404 },
    '/page': { bytes: Buffer.from('<html>') },
    '/good': { json: { good: true } },
  }
  const service = await httpService(t, ({ path }) => answers[path] ?? {})
  // Takes connections and never answers.
  const silent = createServer(() => undefined)
  await once(silent.listen(0, '127.0.0.1'), 'listening')
  t.after(() => silent.close())
  const urls = {
    ...Object.fromEntries(['broken', 'refused', 'page'].map((name) => [name, `${service.url}/${name}`])),
    absent: 'http://127.0.0.1:1',
    silent: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`,
  }
  const times = { connectMs: 100, readMs: 100 }
  for (const [name, url] of Object.entries(urls)) {
    const targets = [
      { name, url },
      { name: 'good', url: `${service.url}/good` },
      { name: 'empty', url: `${service.url}/empty` },
    ]
    assert.deepEqual(
      await dataOf({ targets, ...times }).combined(server),
      { [name]: {}, good: { good: true }, empty: {}, static: {} },
      name,
    )
    await assert.rejects(
      dataOf({ targets, ...times, fatal: true }).combined(server),
      { name: 'ServiceUnavailable', message: new RegExp(`vendor data \\(${name}\\)`) },
      name,
    )
  }
})

test('the file is read with each use, is an error while it is not JSON, and one provider of two', async (t) => {
  const file = join(folder(t), 'vendor.json')
  writeFileSync(file, '{"motd": "one"}')
  const data = dataOf({ file, providers: ['StaticJSON'] })
  assert.deepEqual(await data.fixed(), { motd: 'one' })
  writeFileSync(file, '{"motd": "two"}')
  assert.deepEqual(await data.combined(server), { static: { motd: 'two' } })
  assert.equal(await dataOf({ file, providers: ['DynamicJSON'] }).fixed(), undefined)
  assert.deepEqual(await dataOf({ file, providers: ['DynamicJSON'] }).combined(server), {})
  writeFileSync(file, '{')
  await assert.rejects(data.fixed(), SyntaxError)
})

test('a service with HTTPS must prove itself by the certificates that are configured', async (t) => {
  const path = folder(t)
  const [key, cert] = [join(path, 'key.pem'), join(path, 'cert.pem')]
  execFileSync(
    'openssl',
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout ${key} -out ${cert}`.split(
      ' ',
    ),
    { stdio: 'ignore' },
  )
  const https = createHttpsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_request, reply) =>
    reply.end('{"good": true}'),
  )
  await once(https.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    https.closeAllConnections()
    https.close()
  })
  const targets = [{ name: 'join', url: `https://127.0.0.1:${(https.address() as AddressInfo).port}` }]
  const certificates = readFileSync(cert, 'utf8')
  assert.deepEqual(await dataOf({ targets, certificates }).combined(server), { join: { good: true }, static: {} })
  assert.deepEqual(await dataOf({ targets }).combined(server), { join: {}, static: {} })
})
