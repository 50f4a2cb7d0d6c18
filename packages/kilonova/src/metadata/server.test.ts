import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { silentLog } from '@kilonova/base/log.ts'
import { demoPort, demoServer } from '../domain/server-fixture.ts'
import type { Server } from '../domain/server.ts'
import { startMetadata } from './server.ts'

const SECRET = 'shared'
const server = demoServer()
const sign = (id: string) => createHmac('sha256', SECRET).update(id).digest('hex')

interface Answer {
  readonly status: number
  readonly text: string
  readonly type: string | null
}

async function metadata(context: TestContext, known: Server = server, readServer?: () => Promise<Server>) {
  const running = await startMetadata({
    host: '127.0.0.1',
    port: 0,
    sharedSecret: SECRET,
    log: silentLog,
    clock: { now: () => Date.parse('2026-06-01') },
    readServer: readServer ?? (async (id) => (id === known.id ? known : undefined)),
    readPorts: async () => [demoPort()],
  })
  context.after(() => running.close())
  return async (
    path: string,
    headers: Record<string, string> = { 'x-instance-id': known.id, 'x-instance-id-signature': sign(known.id) },
  ): Promise<Answer> => {
    const answer = await fetch(`${running.url}${path}`, { headers })
    return { status: answer.status, text: await answer.text(), type: answer.headers.get('content-type') }
  }
}

test('folders list what is in them, with and without a slash at the end', async (context) => {
  const get = await metadata(context)
  const ec2 =
    '1.0\n2007-01-19\n2007-03-01\n2007-08-29\n2007-10-10\n2007-12-15\n2008-02-01\n2008-09-01\n2009-04-04\nlatest'
  assert.deepEqual(await get('/'), { status: 200, text: ec2, type: 'text/plain; charset=utf-8' })
  assert.match((await get('/openstack')).text, /^2012-08-10\n[^]*2025-04-04\nlatest$/)
  const documents = 'meta_data.json\nuser_data\npassword\nvendor_data.json\nnetwork_data.json\nvendor_data2.json'
  for (const path of ['/openstack/latest', '/openstack/latest/', '//openstack/2020-10-14//'])
    assert.equal((await get(path)).text, documents, path)
  assert.equal((await get('/openstack/2012-08-10/')).text, 'meta_data.json\nuser_data')
  assert.equal((await get('/latest/')).text, 'meta-data/\nuser-data')
  assert.equal(
    (await get('/1.0/meta-data/')).text,
    'ami-id\nami-launch-index\nami-manifest-path\nhostname\ninstance-id\nlocal-ipv4\npublic-keys/\nreservation-id\nsecurity-groups',
  )
  assert.equal((await get('/latest/meta-data/public-keys/')).text, '0=mykey')
  assert.equal((await get('/latest/meta-data/public-keys/0/')).text, 'openssh-key')
  assert.equal((await get('/latest/meta-data/placement')).text, 'availability-zone')
})

test('documents have their content and their type', async (context) => {
  const get = await metadata(context)
  const meta = await get('/openstack/latest/meta_data.json')
  assert.equal(meta.type, 'application/json')
  const { uuid, random_seed: seed } = JSON.parse(meta.text) as { uuid: string; random_seed: string }
  assert.equal(uuid, server.id)
  assert.equal(Buffer.from(seed, 'base64').length, 512)
  assert.equal(JSON.parse((await get('/openstack/latest/network_data.json')).text).links.length, 1)
  assert.equal((await get('/openstack/latest/vendor_data2.json')).text, '{}')
  assert.deepEqual(await get('/openstack/latest/user_data'), { status: 200, text: '#!/bin/sh\n', type: 'text/plain' })
  assert.equal((await get('/latest/user-data')).text, '#!/bin/sh\n')
  assert.equal((await get('/openstack/latest/password')).text, '')
  for (const [path, text] of [
    ['instance-id', 'i-3f1c7a52'],
    ['local-ipv4', '10.0.0.5'],
    ['hostname', 'demo.novalocal'],
    ['instance-type', 'm1.nano'],
    ['security-groups', 'default'],
    ['public-keys/0/openssh-key', 'ssh-ed25519 AAAA demo\n'],
    ['placement/availability-zone', 'nova'],
    ['block-device-mapping/root', '/dev/vda'],
  ]) {
    assert.equal((await get(`/ec2/2009-04-04/meta-data/${path}`)).text, text)
    assert.equal((await get(`/latest/meta-data/${path}`)).text, text)
  }
})

test('what is not there is not found', async (context) => {
  const get = await metadata(context, demoServer({ userData: null }))
  for (const path of [
    '/openstack/2011-01-01/meta_data.json',
    '/openstack/latest/nothing',
    '/openstack/latest/meta_data.json/x',
    '/openstack/2012-08-10/password',
    '/openstack/latest/user_data',
    '/latest/user-data',
    '/latest/meta-data/constructor',
    '/openstack/latest/toString',
    '/1.0/meta-data/placement',
    '/latest/meta-data/hostname/x',
    '/nonsense',
    '/openstack/content/0000',
  ]) {
    assert.equal((await get(path)).status, 404, path)
  }
  assert.equal((await get('/openstack/latest/')).text.includes('user_data'), false)
})

test('only what a proxy signed is believed', async (context) => {
  const get = await metadata(context)
  const good = { 'x-instance-id': server.id, 'x-instance-id-signature': sign(server.id) }
  assert.equal((await get('/', {})).status, 400)
  assert.equal((await get('/', { 'x-instance-id': server.id })).status, 400)
  for (const signature of ['00', sign('another'), sign(server.id).toUpperCase(), `${sign(server.id)}0`]) {
    assert.equal((await get('/', { ...good, 'x-instance-id-signature': signature })).status, 403)
  }
  assert.equal((await get('/', { ...good, 'x-tenant-id': 'project-1' })).status, 200)
  assert.equal((await get('/', { ...good, 'x-tenant-id': 'project-2' })).status, 404)
  assert.equal((await get('/', { 'x-instance-id': 'gone', 'x-instance-id-signature': sign('gone') })).status, 404)
})

test('a deleted server is not found, a failing database is an error of ours, health needs no signature', async (context) => {
  assert.equal((await (await metadata(context, demoServer({ deletedAt: 1 })))('/')).status, 404)
  const failing = await metadata(context, server, async () => {
    throw new Error('database is gone')
  })
  const { status, text } = await failing('/')
  assert.equal(status, 500)
  assert.doesNotMatch(text, /database/)
  assert.equal((await failing('/healthz', {})).status, 200)
})
