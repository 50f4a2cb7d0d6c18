import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { test, type TestContext } from 'node:test'
import { silentLog } from '@kilonova/base/log.ts'
import { demoPort, demoServer } from '../domain/server-fixture.ts'
import { startMetadata, type MetadataOptions } from './server.ts'

const OWN = 'own secret'
const FOREIGN = 'their secret'
const server = demoServer()
const sign = (text: string, secret = OWN) => createHmac('sha256', secret).update(text).digest('hex')
const headersOf = (id = server.id, secret = OWN, project = server.projectId) => ({
  'x-instance-id': id,
  'x-tenant-id': project,
  'x-instance-id-signature': sign(id, secret),
})

interface Answer {
  readonly status: number
  readonly text: string
  readonly type: string | undefined
}
interface Ask {
  readonly headers?: Record<string, string>
  readonly method?: string
  readonly body?: string | Buffer
}

async function metadata(t: TestContext, change: Partial<MetadataOptions> = {}) {
  let now = Date.parse('2026-06-01')
  const passwords = new Map<string, string>()
  const reads = { server: 0, ports: 0, behind: 0 }
  const running = await startMetadata({
    host: '127.0.0.1',
    port: 0,
    proxies: { ownSecret: OWN, foreignSecret: FOREIGN },
    dhcpDomain: 'novalocal',
    keptMs: 15_000,
    log: silentLog,
    clock: { now: () => now },
    readServer: async (id) => {
      reads.server++
      return id === server.id ? server : undefined
    },
    readPorts: async () => {
      reads.ports++
      return [demoPort()]
    },
    readPublicIp: async () => '203.0.113.7',
    readPortBehind: async (provider, address) => {
      reads.behind++
      return provider === 'nsx-1' && address === '10.0.0.5'
        ? { serverId: server.id, projectId: server.projectId }
        : undefined
    },
    passwords: {
      read: async (id) => passwords.get(id),
      setOnce: async (id, password) => !passwords.has(id) && passwords.set(id, password) !== undefined,
    },
    vendorData: { fixed: async () => ({}), combined: async () => ({}) },
    ...change,
  })
  t.after(() => running.close())
  // Paths are sent as they are written, which `fetch` does not.
  const ask = (path: string, { headers = headersOf(), method = 'GET', body }: Ask = {}): Promise<Answer> =>
    new Promise((done, fail) => {
      const { hostname, port } = new URL(running.url)
      const out = httpRequest({ hostname, port, path, method, headers, agent: false }, async (reply) => {
        const chunks: Buffer[] = []
        for await (const chunk of reply) chunks.push(chunk as Buffer)
        const text = Buffer.concat(chunks).toString()
        done({ status: reply.statusCode ?? 0, text, type: reply.headers['content-type'] })
      })
      out.on('error', fail)
      out.end(body)
    })
  return { ask, reads, pass: (milliseconds: number) => (now += milliseconds) }
}

test('documents come over HTTP as they are looked up', async (t) => {
  const { ask } = await metadata(t)
  const meta = await ask('/openstack/latest/meta_data.json')
  assert.deepEqual([meta.status, meta.type], [200, 'application/json'])
  const { uuid, random_seed: seed } = JSON.parse(meta.text) as { uuid: string; random_seed: string }
  assert.equal(uuid, server.id)
  assert.equal(Buffer.from(seed, 'base64').length, 512)
  assert.equal((await ask('/latest/meta-data/public-ipv4')).text, '203.0.113.7')
  assert.equal((await ask('/latest/user%2Ddata?x=1')).text, '#!/bin/sh\n')
  assert.equal((await ask('/latest/meta-data/', { method: 'HEAD' })).status, 200)
  assert.equal((await ask('/latest/meta-data/hostname', { method: 'POST', body: 'x' })).text, 'demo.novalocal')
})

test('what is not there, however it is written, is not found', async (t) => {
  const { ask } = await metadata(t)
  for (const path of ['/nonsense', '/latest/%00', '/openstack/latest/../../..//x', `/${'a'.repeat(4000)}`])
    assert.equal((await ask(path)).status, 404, path)
  for (const path of ['/%zz', '/%ff']) assert.equal((await ask(path)).status, 400)
  // As a guest of EC2 begins.
  assert.equal((await ask('/latest/api/token', { method: 'PUT' })).status, 404)
})

test('the list of versions is for anybody, the rest for whom a proxy names', async (t) => {
  const { ask } = await metadata(t)
  const path = '/latest/meta-data/instance-id'
  assert.match((await ask('/', { headers: {} })).text, /^1\.0\n[^]*latest$/)
  const good = headersOf()
  for (const name of Object.keys(good)) {
    const headers = Object.fromEntries(Object.entries(good).filter(([each]) => each !== name))
    assert.equal((await ask(path, { headers })).status, 400, name)
  }
  for (const signature of [
    '00',
    sign('another'),
    sign(server.id).toUpperCase(),
    `${sign(server.id)}0`,
    sign(server.id, 'x'),
  ])
    assert.equal((await ask(path, { headers: { ...good, 'x-instance-id-signature': signature } })).status, 403)
  assert.equal((await ask(path)).status, 200)
  assert.equal((await ask(path, { headers: headersOf(server.id, FOREIGN) })).status, 200)
  assert.equal((await ask(path, { headers: headersOf(server.id, OWN, 'project-2') })).status, 404)
  assert.equal((await ask(path, { headers: headersOf('gone') })).status, 404)
})

test('a metadata provider names a guest by its address', async (t) => {
  const { ask } = await metadata(t)
  const path = '/latest/meta-data/instance-id'
  const provider = (id: string, address?: string, secret = FOREIGN) => ({
    headers: {
      'x-metadata-provider': id,
      'x-metadata-provider-signature': sign(id, secret),
      ...(address === undefined ? {} : { 'x-forwarded-for': address }),
    },
  })
  assert.equal((await ask(path, provider('nsx-1', '10.0.0.5, 192.0.2.1'))).text, 'i-3f1c7a52')
  assert.equal((await ask(path, provider('nsx-1', '10.0.0.6'))).status, 404)
  assert.equal((await ask(path, provider('nsx-1'))).status, 400)
  assert.equal((await ask(path, provider('nsx-1', '10.0.0.5', 'guessed'))).status, 403)
  assert.equal((await ask(path, provider('nsx-1', '10.0.0.5', OWN))).status, 403)
  const { 'x-metadata-provider-signature': _, ...unsigned } = provider('nsx-1', '10.0.0.5').headers
  assert.equal((await ask(path, { headers: unsigned })).status, 403)
})

test('proxies of the network service are not believed unless that is configured', async (t) => {
  const { ask, reads } = await metadata(t, { proxies: { ownSecret: OWN, foreignSecret: undefined } })
  const path = '/latest/meta-data/instance-id'
  assert.equal((await ask(path, { headers: headersOf(server.id, FOREIGN) })).status, 403)
  assert.equal((await ask(path, { headers: headersOf(server.id, '') })).status, 403)
  const headers = {
    'x-metadata-provider': 'nsx-1',
    'x-metadata-provider-signature': sign('nsx-1', FOREIGN),
    'x-forwarded-for': '10.0.0.5',
  }
  assert.equal((await ask(path, { headers })).status, 400)
  assert.equal(reads.behind, 0)
})

test('a password is posted once, as text of at most 1020 bytes', async (t) => {
  const { ask } = await metadata(t)
  const path = '/openstack/latest/password'
  const post = (body: string | Buffer) => ask(path, { method: 'POST', body })
  assert.deepEqual(await ask(path), { status: 200, text: '', type: 'text/plain; charset=utf-8' })
  assert.equal((await post('x'.repeat(1021))).status, 400)
  assert.equal((await post(Buffer.from([0xff, 0xfe]))).status, 400)
  assert.equal((await post(Buffer.from('a\0b'))).status, 400)
  assert.equal((await post('x'.repeat(65 * 1024))).status, 413)
  assert.equal((await ask(path, { method: 'PUT', body: 'x' })).status, 400)
  assert.equal((await post('')).status, 200)
  assert.equal((await ask(path)).text, '')
  assert.equal((await post('x'.repeat(1020))).status, 200)
  assert.equal((await post('another')).status, 409)
  assert.equal((await ask('/openstack/2013-04-04/password')).text, 'x'.repeat(1020))
  assert.equal((await ask('/openstack/2012-08-10/password', { method: 'POST', body: 'x' })).status, 404)
})

test('what was read is told on for a while, and not longer', async (t) => {
  const { ask, reads, pass } = await metadata(t)
  for (let time = 0; time < 3; time++) await ask('/openstack/latest/network_data.json')
  assert.deepEqual([reads.server, reads.ports], [1, 1])
  pass(15_000)
  await ask('/openstack/latest/network_data.json')
  assert.deepEqual([reads.server, reads.ports], [2, 2])
  const none = await metadata(t, { keptMs: 0 })
  for (let time = 0; time < 3; time++) await none.ask('/openstack/latest/network_data.json')
  assert.deepEqual([none.reads.server, none.reads.ports], [3, 3])
})

test('the address that asked is the local one of a server that no address is known of', async (t) => {
  const { ask } = await metadata(t)
  const local = (address: string) =>
    ask('/latest/meta-data/local-ipv4', { headers: { ...headersOf(), 'x-forwarded-for': address } })
  assert.equal((await local('10.0.0.9')).text, '10.0.0.9')
  assert.equal((await local('<script>')).text, '')
})

test('a deleted server is not found, what fails is an error of ours, health needs no signature', async (t) => {
  const gone = await metadata(t, { readServer: async () => demoServer({ deletedAt: 1 }) })
  assert.equal((await gone.ask('/latest')).status, 404)
  const failing = await metadata(t, {
    readServer: async () => {
      throw new Error('database is gone')
    },
  })
  const { status, text } = await failing.ask('/latest')
  assert.equal(status, 500)
  assert.doesNotMatch(text, /database/)
  assert.equal((await failing.ask('/healthz', { headers: {} })).status, 200)
  const vendor = await metadata(t, {
    vendorData: {
      fixed: async () => ({}),
      combined: async () => {
        throw new Error('it answered 503')
      },
    },
  })
  assert.equal((await vendor.ask('/openstack/latest/vendor_data2.json')).status, 500)
  assert.equal((await vendor.ask('/openstack/latest/meta_data.json')).status, 200)
})

test('no path and no header is an error of ours', async (t) => {
  const { ask } = await metadata(t)
  const known =
    'openstack ec2 latest 2009-04-04 2025-04-04 meta-data user-data password content 0000 meta_data.json public-keys'
  const odd = '0=mykey placement __proto__ constructor .. . %2e%2e %2F %00 %25 %ff %C3%A9 %zz \\ ; * ? #'
  const parts = ['', ...known.split(' '), ...odd.split(' ')]
  let seed = 7
  const pick = <T>(from: readonly T[]): T => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return from[Math.floor((seed / 2 ** 31) * from.length)] ?? assert.fail()
  }
  const values = ['', server.id, 'x', sign(server.id), server.projectId, 'é', '0', ', ,', 'a'.repeat(2000)]
  const names = ['x-instance-id', 'x-tenant-id', 'x-instance-id-signature', 'x-forwarded-for', 'x-metadata-provider']
  for (let time = 0; time < 500; time++) {
    const path = `/${Array.from({ length: 1 + (time % 5) }, () => pick(parts)).join('/')}`
    const lies = Object.fromEntries(time % 4 === 0 ? [[pick(names), Buffer.from(pick(values)).toString('latin1')]] : [])
    const { status } = await ask(path, {
      headers: { ...headersOf(), ...lies },
      method: pick(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']),
    })
    assert.ok(status < 500, `${path} ${JSON.stringify(lies)}: ${status}`)
  }
})
