// Wrong inputs: each is refused with a clear error in Nova's format, by the client in words, and changes nothing at all.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { exchange } from '@kilonova/base/http/client.ts'
import type { Session } from '@kilonova/cloud/session.ts'
import { cloudProcess, type CloudProcess } from './cloud-process.ts'
import { leftoversOf, type Leftovers } from './leftovers.ts'
import { idOf } from './servers.ts'
import { stockClient, type StockClient } from './stock-client.ts'

let cloud: CloudProcess
let openstack: StockClient
let session: Session
let good: Readonly<Record<string, unknown>>
let untouched: Leftovers

before(async () => {
  cloud = await cloudProcess()
  await cloud.start()
  openstack = stockClient(cloud)
  session = await cloud.session('demo')
  good = {
    name: 'wrong',
    flavorRef: '42',
    imageRef: await idOf(session, 'image', '/v2/images', 'demo'),
    networks: [{ uuid: await idOf(session, 'network', '/v2.0/networks', 'private') }],
  }
  untouched = await leftoversOf(cloud.stateDir, cloud.installationId())
})
after(() => cloud.remove())

const nowhere = randomUUID()

async function nothingChanged(): Promise<void> {
  assert.deepEqual(await leftoversOf(cloud.stateDir, cloud.installationId()), untouched)
  const { body } = await session.call('compute', 'GET', '/servers')
  assert.deepEqual((body as { servers: unknown[] }).servers, [])
}

const create = (server: unknown, token = session.token) =>
  exchange({
    method: 'POST',
    url: `${cloud.url('compute')}/v2.1/servers`,
    headers: { 'x-auth-token': token, 'x-openstack-nova-api-version': '2.90' },
    json: { server },
  })

const refusals: readonly {
  readonly what: string
  readonly change: Readonly<Record<string, unknown>>
  readonly message: RegExp
}[] = [
  { what: 'an unknown image', change: { imageRef: nowhere }, message: new RegExp(nowhere) },
  { what: 'an unknown flavor', change: { flavorRef: 'nope' }, message: /Flavor nope could not be found/ },
  {
    what: 'an unknown network',
    change: { networks: [{ uuid: nowhere }] },
    message: new RegExp(`Network ${nowhere} could not be found`),
  },
  {
    what: 'an unknown port',
    change: { networks: [{ port: nowhere }] },
    message: new RegExp(`Port id ${nowhere} could not be found`),
  },
  { what: 'an unknown key pair', change: { key_name: 'nope' }, message: /Invalid key_name/ },
  { what: 'an unknown zone', change: { availability_zone: 'mars' }, message: /zone.*mars/ },
  {
    what: 'an unknown security group',
    change: { security_groups: [{ name: 'nope' }] },
    message: /security_group.*nope/,
  },
  {
    what: 'an unknown field',
    change: { colour: 'red' },
    message: /Additional properties are not allowed \('colour' was unexpected\)/,
  },
  { what: 'a mistyped field', change: { name: 42 }, message: /42 is not of type 'string'/ },
  { what: 'a mistyped list', change: { networks: 'private' }, message: /networks.*private/ },
  { what: 'a missing field', change: { flavorRef: undefined }, message: /'flavorRef' is a required property/ },
  { what: 'user-data that is not base64', change: { user_data: '#!/bin/sh' }, message: /base64/ },
  {
    what: 'an address outside of the network',
    change: { networks: [{ uuid: undefined, fixed_ip: 'nope' }] },
    message: /nope/,
  },
]

for (const { what, change, message } of refusals)
  test(`${what} is refused with 400, and nothing changes`, async () => {
    const { status, body } = await create({ ...good, ...change })
    const { badRequest } = body as { badRequest?: { code: number; message: string } }
    assert.deepEqual([status, badRequest?.code], [400, 400], JSON.stringify(body))
    assert.match(String(badRequest?.message), message)
    await nothingChanged()
  })

test('a flavor that is too small for the image is refused, in memory and in disk', async () => {
  const admin = await cloud.session('admin')
  const flavors = [
    {
      flavor: { id: 'thin', name: 'thin', ram: 64, vcpus: 1, disk: 1 },
      image: good['imageRef'],
      message: /memory is too small/,
    },
    {
      flavor: { id: 'flat', name: 'flat', ram: 192, vcpus: 1, disk: 1 },
      image: await largeImage(),
      message: /disk is too small/,
    },
  ]
  for (const { flavor, image, message } of flavors) {
    await admin.call('compute', 'POST', '/flavors', { flavor })
    const { status, body } = await create({ ...good, flavorRef: flavor.id, imageRef: image })
    assert.equal(status, 400)
    assert.match((body as { badRequest: { message: string } }).badRequest.message, message)
  }
  await nothingChanged()
})

/** It asks for 2 GiB of disk. */
async function largeImage(): Promise<string> {
  const { body } = await session.call('image', 'POST', '/v2/images', {
    name: 'large',
    disk_format: 'raw',
    container_format: 'bare',
    min_disk: 2,
  })
  const { id } = body as { id: string }
  const headers = { 'x-auth-token': session.token, 'content-type': 'application/octet-stream' }
  const answer = await fetch(`${cloud.url('image')}/v2/images/${id}/file`, { method: 'PUT', headers, body: 'tiny' })
  assert.equal(answer.status, 204)
  return id
}

test('an image without content is refused', async () => {
  const { body: made } = await session.call('image', 'POST', '/v2/images', {
    name: 'empty',
    disk_format: 'raw',
    container_format: 'bare',
  })
  const { status, body } = await create({ ...good, imageRef: (made as { id: string }).id })
  assert.equal(status, 400)
  assert.match(JSON.stringify(body), /is not active/)
  await nothingChanged()
})

test('what is not JSON, and what is not a server, is refused with 400', async () => {
  const headers = { 'x-auth-token': session.token, 'content-type': 'application/json' }
  for (const text of ['{"server":', '[]', '"server"', '{}']) {
    const answer = await fetch(`${cloud.url('compute')}/v2.1/servers`, { method: 'POST', headers, body: text })
    const body = (await answer.json()) as { badRequest?: { code: number } }
    assert.deepEqual([answer.status, body.badRequest?.code], [400, 400], text)
  }
  await nothingChanged()
})

test('the client says in words what was wrong', async () => {
  const create = (image: string, flavor: string, network: string) =>
    openstack.refusal('server', 'create', '--image', image, '--flavor', flavor, '--network', network, 'wrong')
  assert.match(await create('nope', 'm1.nano', 'private'), /nope/)
  assert.match(await create('demo', 'nope', 'private'), /No flavor with a name or ID of 'nope' exists/)
  assert.match(await create('demo', 'm1.nano', 'nope'), /No Network found for nope|network.*nope/i)
  assert.match(await openstack.refusal('server', 'show', 'nope'), /No server with a name or ID of 'nope' exists/)
  await nothingChanged()
})

test('no token, a wrong one, and one that has expired are refused with 401', async () => {
  for (const token of ['', 'nonsense']) assert.equal((await create(good, token)).status, 401)
  const { token } = session
  await cloud.stop('SIGINT')
  await cloud.start({ KILONOVA_CLOCK_OFFSET_MS: String(25 * 3600 * 1000) })
  const { status, headers, body } = await create(good, token)
  assert.equal(status, 401)
  assert.match(String(headers['www-authenticate']), /Keystone/i)
  assert.match(JSON.stringify(body), /requires authentication/)
  session = await cloud.session('demo')
  await nothingChanged()
})
