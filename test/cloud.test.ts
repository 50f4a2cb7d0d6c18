/** A whole cloud over HTTP, as a member of project `demo` meets it: the life of a server, clear errors, and a restart. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { exchange, type HttpAnswer } from '@kilonova/base/http/client.ts'
import { oneCloud, personOf, until, type OneCloud, type Person } from './one-cloud.ts'

interface Seen {
  readonly id: string
  readonly name: string
  readonly status: string
  readonly addresses: Readonly<Record<string, readonly { readonly addr: string }[]>>
  readonly fault?: { readonly code: number; readonly message: string }
  readonly 'OS-EXT-STS:task_state': string | null
}

const DAY_MS = 24 * 3600_000
const NOWHERE = '11111111-2222-4333-8444-555555555555'
let stateDir = ''
let cloud: OneCloud
let demo: Person
let admin: Person
let imageId = ''
let networkId = ''
/** While this file exists no create looks at its image. */
let held = ''

const body = <T>(answer: HttpAnswer): T => answer.body as T
const listOf = async (
  service: 'image' | 'network',
  path: string,
  key: string,
): Promise<readonly { id: string; name: string }[]> =>
  body<Record<string, { id: string; name: string }[]>>(
    await exchange({ method: 'GET', url: `${cloud.urls[service]}${path}`, headers: { 'x-auth-token': demo.token } }),
  )[key] ?? []

before(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'kilonova-cloud-'))
  held = join(stateDir, 'held')
  cloud = await oneCloud(stateDir, { HOLD_AT: `create/image/before=${held}` })
  demo = await cloud.logIn('demo')
  admin = await cloud.logIn('admin')
  imageId = (await listOf('image', '/v2/images', 'images')).find(({ name }) => name === 'demo')?.id ?? ''
  networkId = (await listOf('network', '/v2.0/networks', 'networks')).find(({ name }) => name === 'private')?.id ?? ''
})
after(async () => {
  await cloud.close()
  await rm(stateDir, { recursive: true, force: true })
})

const wanted = (more: object = {}) => ({
  server: { name: 'web', flavorRef: '42', imageRef: imageId, networks: [{ uuid: networkId }], ...more },
})
const seen = async (id: string): Promise<Seen> =>
  body<{ server: Seen }>(await demo.call('GET', `/servers/${id}`)).server
async function create(more: object = {}): Promise<string> {
  const answer = await demo.call('POST', '/servers', wanted(more))
  assert.equal(answer.status, 202, JSON.stringify(answer.body))
  return body<{ server: { id: string } }>(answer).server.id
}
const settled = async (id: string): Promise<Seen> => {
  const answer = await until(
    () => demo.call('GET', `/servers/${id}`),
    ({ body: b }) => (b as { server: Seen }).server['OS-EXT-STS:task_state'] === null,
  )
  return body<{ server: Seen }>(answer).server
}
const gone = (id: string) =>
  until(
    () => demo.call('GET', `/servers/${id}`),
    ({ status }) => status === 404,
  )
const count = async (path: string, key: string): Promise<number> =>
  body<Record<string, readonly unknown[]>>(await demo.call('GET', path))[key]?.length ?? -1
const ports = async (): Promise<number> => (await listOf('network', '/v2.0/ports', 'ports')).length

test('a server lives: created, stopped, started, rebooted both ways, deleted; and nothing is left', async () => {
  const before = await ports()
  const id = await create({ metadata: { role: 'web' }, config_drive: true })
  const server = await settled(id)
  assert.equal(server.status, 'ACTIVE')
  assert.match(server.addresses['private']?.[0]?.addr ?? '', /^10\.30\./)
  assert.equal(await ports(), before + 1)

  for (const [request, status] of [
    [{ 'os-stop': null }, 'SHUTOFF'],
    [{ 'os-start': null }, 'ACTIVE'],
    [{ reboot: { type: 'SOFT' } }, 'ACTIVE'],
    [{ reboot: { type: 'HARD' } }, 'ACTIVE'],
  ] as const) {
    assert.equal((await demo.call('POST', `/servers/${id}/action`, request)).status, 202)
    assert.equal((await settled(id)).status, status)
  }
  const actions = body<{ instanceActions: readonly { action: string; message: string | null }[] }>(
    await demo.call('GET', `/servers/${id}/os-instance-actions`),
  )
  assert.deepEqual(
    actions.instanceActions.map(({ action, message }) => [action, message]),
    [
      ['reboot', null],
      ['reboot', null],
      ['start', null],
      ['stop', null],
      ['create', null],
    ],
  )

  assert.equal((await demo.call('DELETE', `/servers/${id}`)).status, 204)
  await gone(id)
  assert.equal(await ports(), before)
  assert.equal(await count('/servers', 'servers'), 0)
})

test('no valid host: the fault counts the hosts by reason, and what was begun is undone', async () => {
  const before = await ports()
  const flavor = { id: 'huge', name: 'huge', vcpus: 1000, ram: 512, disk: 1 }
  assert.equal((await admin.call('POST', '/flavors', { flavor })).status, 200)
  const id = await create({ flavorRef: 'huge' })
  const { status, fault } = await settled(id)
  assert.equal(status, 'ERROR')
  assert.deepEqual([fault?.code, fault?.message], [500, 'No valid host was found. 2 hosts: 2 have too few free vCPUs.'])
  assert.equal(await ports(), before)
  // It has no host: when the delete is answered it is gone, as upstream.
  assert.equal((await demo.call('DELETE', `/servers/${id}`)).status, 204)
  assert.equal((await demo.call('GET', `/servers/${id}`)).status, 404)
})

const WRONG: readonly (readonly [string, () => unknown, number, string, RegExp])[] = [
  [
    'an unknown image',
    () => wanted({ imageRef: NOWHERE }),
    400,
    'badRequest',
    new RegExp(`^Can not find requested image: ${NOWHERE}$`),
  ],
  ['an unknown flavor', () => wanted({ flavorRef: '4711' }), 400, 'badRequest', /^Flavor 4711 could not be found\.$/],
  [
    'an unknown network',
    () => wanted({ networks: [{ uuid: NOWHERE }] }),
    400,
    'badRequest',
    new RegExp(`^Network ${NOWHERE} could not be found\\.$`),
  ],
  ['an unknown key', () => wanted({ key_name: 'nobody' }), 400, 'badRequest', /^Invalid key_name provided\.$/],
  ['a name that is no text', () => wanted({ name: 7 }), 400, 'badRequest', /name/],
  ['a mistyped field', () => wanted({ flavourRef: '42' }), 400, 'badRequest', /flavourRef/],
  [
    'no name at all',
    () => ({ server: { flavorRef: '42', imageRef: imageId, networks: 'none' } }),
    400,
    'badRequest',
    /name/,
  ],
  ['a body that is none', () => ({}), 400, 'badRequest', /server/],
]
for (const [what, request, status, kind, message] of WRONG)
  test(`${what} is refused in Nova's format, and nothing changes`, async () => {
    const before = [await count('/servers', 'servers'), await ports()]
    const answer = await demo.call('POST', '/servers', request())
    assert.equal(answer.status, status)
    const fault = body<Record<string, { code: number; message: string }>>(answer)[kind]
    assert.equal(fault?.code, status)
    assert.match(fault?.message ?? '', message)
    assert.deepEqual([await count('/servers', 'servers'), await ports()], before)
  })

async function newImage(more: object = {}): Promise<string> {
  const made = await exchange({
    method: 'POST',
    url: `${cloud.urls['image']}/v2/images`,
    headers: { 'x-auth-token': demo.token },
    json: { name: 'mine', disk_format: 'raw', container_format: 'bare', ...more },
  })
  const { id } = body<{ id: string }>(made)
  const sent = await exchange({
    method: 'PUT',
    url: `${cloud.urls['image']}/v2/images/${id}/file`,
    headers: { 'x-auth-token': demo.token, 'content-type': 'application/octet-stream' },
    stream: Readable.from([Buffer.alloc(4096)]),
  })
  assert.equal(sent.status, 204)
  return id
}

test('a group keeps the servers of one request apart; one more finds no room and says why', async () => {
  const made = await demo.call('POST', '/os-server-groups', {
    server_group: { name: 'apart', policy: 'anti-affinity' },
  })
  const { id: group } = body<{ server_group: { id: string } }>(made).server_group
  const ask = async (more: object) => {
    const answer = await demo.call('POST', '/servers', { ...wanted(more), 'os:scheduler_hints': { group } })
    assert.equal(answer.status, 202, JSON.stringify(answer.body))
    return body<{ reservation_id: string }>(answer).reservation_id
  }
  const of = async (reservation: string): Promise<readonly string[]> =>
    body<{ servers: readonly Seen[] }>(await demo.call('GET', `/servers?reservation_id=${reservation}`)).servers.map(
      ({ id }) => id,
    )
  const two = await of(await ask({ name: 'twin', min_count: 2, return_reservation_id: true, tags: ['twins'] }))
  const servers = await Promise.all(two.map(settled))
  assert.deepEqual(servers.map(({ name, status }) => `${name} ${status}`).toSorted(), [
    'twin-1 ACTIVE',
    'twin-2 ACTIVE',
  ])
  assert.equal(await count('/servers?tags=twins', 'servers'), 2)
  const hosts = await Promise.all(
    two.map(async (id) => {
      const { server } = body<{ server: Record<string, unknown> }>(await admin.call('GET', `/servers/${id}`))
      assert.deepEqual(server['server_groups'], [group])
      return server['OS-EXT-SRV-ATTR:host']
    }),
  )
  assert.equal(new Set(hosts).size, 2)
  const [third = ''] = await of(await ask({ return_reservation_id: true }))
  const { status, fault } = await settled(third)
  assert.deepEqual(
    [status, fault?.message],
    ['ERROR', 'No valid host was found. 2 hosts: 2 have servers of the same group already.'],
  )
  await Promise.all([...two, third].map((id) => demo.call('DELETE', `/servers/${id}`)))
  await Promise.all([...two, third].map(gone))
  assert.equal((await demo.call('DELETE', `/os-server-groups/${group}`)).status, 204)
})

test('an image that needs more memory or disk than the flavor has is refused', async () => {
  const id = await newImage({ min_ram: 1024, min_disk: 30 })
  const refusal = async (flavorRef: string) =>
    body<{ badRequest?: { message: string } }>(await demo.call('POST', '/servers', wanted({ imageRef: id, flavorRef })))
      .badRequest?.message ?? ''
  assert.match(await refusal('42'), /^Flavor's memory is too small for requested image/)
  assert.match(await refusal('2'), /^Flavor's disk is too small for requested image/)
})

/** A server whose create is held before it looks at its image, which is then deleted. */
async function withoutImage(): Promise<{ readonly id: string; readonly imageRef: string }> {
  const imageRef = await newImage()
  await writeFile(held, '')
  const id = await create({ imageRef })
  await until(
    () => demo.call('GET', `/servers/${id}`),
    ({ body: b }) => (b as { server: Seen }).server['OS-EXT-STS:task_state'] === 'block_device_mapping',
  )
  const deleted = await exchange({
    method: 'DELETE',
    url: `${cloud.urls['image']}/v2/images/${imageRef}`,
    headers: { 'x-auth-token': demo.token },
  })
  assert.equal(deleted.status, 204)
  return { id, imageRef }
}

test('an image that is deleted between accept and boot: the fault names it, and what was begun is undone', async () => {
  const before = await ports()
  const { id, imageRef } = await withoutImage()
  assert.deepEqual([(await seen(id)).status, await ports()], ['BUILD', before + 1])
  await rm(held)
  const { status, fault } = await settled(id)
  assert.equal(status, 'ERROR')
  assert.match(fault?.message ?? '', new RegExp(`image ${imageRef} is gone`))
  assert.equal(await ports(), before)
  await demo.call('DELETE', `/servers/${id}`)
  await gone(id)
})

test('a server whose create is held can be deleted all the same', async () => {
  const before = await ports()
  const { id } = await withoutImage()
  assert.equal((await demo.call('DELETE', `/servers/${id}`)).status, 204)
  await gone(id)
  assert.equal(await ports(), before)
  await rm(held)
})

test('what may not be done now is a 409 with the state in the way; what is not there is a 404', async () => {
  const id = await create()
  assert.equal((await settled(id)).status, 'ACTIVE')
  const refused = await demo.call('POST', `/servers/${id}/action`, { 'os-start': null })
  assert.deepEqual(
    [refused.status, refused.body],
    [
      409,
      { conflictingRequest: { code: 409, message: `Cannot 'start' instance ${id} while it is in vm_state active` } },
    ],
  )
  const missing = await demo.call('DELETE', `/servers/${NOWHERE}`)
  assert.deepEqual(
    [missing.status, missing.body],
    [404, { itemNotFound: { code: 404, message: `Instance ${NOWHERE} could not be found.` } }],
  )
  assert.equal((await demo.call('POST', `/servers/${id}/action`, { 'os-strat': null })).status, 400)
  await demo.call('DELETE', `/servers/${id}`)
  await gone(id)
})

test('a token that nobody gave is a 401', async () => {
  const answer = await personOf(cloud.urls['compute'] ?? '', 'gAAAA-made-up').call('GET', '/servers')
  assert.equal(answer.status, 401)
})

test("a cloud that is stopped and started again a day later finds everything; yesterday's token has expired", async () => {
  const id = await create({ name: 'survivor' })
  assert.equal((await settled(id)).status, 'ACTIVE')
  const [flavors, before] = [await count('/flavors', 'flavors'), await seen(id)]
  const { token } = demo
  await cloud.close()
  cloud = await oneCloud(stateDir, { KILONOVA_CLOCK_OFFSET_MS: String(DAY_MS + 3600_000) })
  assert.equal((await personOf(cloud.urls['compute'] ?? '', token).call('GET', '/servers')).status, 401)
  demo = await cloud.logIn('demo')
  const found = await seen(id)
  assert.deepEqual([found.name, found.addresses], [before.name, before.addresses])
  assert.equal(await count('/flavors', 'flavors'), flavors)
  assert.deepEqual(
    (await listOf('image', '/v2/images', 'images')).filter(({ name }) => name === 'demo').map((image) => image.id),
    [imageId],
  )
  assert.equal((await demo.call('DELETE', `/servers/${id}`)).status, 204)
  await gone(id)
  const next = await create()
  assert.equal((await settled(next)).status, 'ACTIVE')
})
