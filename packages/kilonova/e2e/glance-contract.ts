/** What our image client and the relay rely on, whichever image service they talk to: the same tests for the companion and for Glance. */
import assert from 'node:assert/strict'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@kilonova/base/clock.ts'
import { exchange, type HttpAnswer, type HttpRequest } from '@kilonova/base/http/client.ts'
import { silentLog } from '@kilonova/base/log.ts'
import { glance, type Glance } from '../src/clients/glance.ts'
import { keystone } from '../src/clients/keystone.ts'
import { startImageRelay, type ImageRelay } from '../src/conductor/image-relay.ts'
import { download } from '../src/virt/libvirt/download.ts'

export interface Service {
  /** Of the image service, without a version. */
  readonly url: string
  readonly identityUrl: string
  /** Undefined where no image is that old. */
  readonly forgetSha512?: (imageId: string) => void
}

export const SERVICE_PASSWORD = 'service-secret'
export const PASSWORD = 'user-secret'
export const PLAN = {
  projects: [{ name: 'admin' }, { name: 'service' }, { name: 'demo' }, { name: 'other' }],
  users: [
    ...['nova', 'glance'].map((name) => ({ name, password: SERVICE_PASSWORD })),
    ...['admin', 'demo', 'other', 'reader'].map((name) => ({ name, password: PASSWORD })),
  ],
  assignments: [
    { user: 'admin', project: 'admin', role: 'admin' },
    // As operators of OpenStack have it: Glance shows others' images to administrators alone.
    { user: 'nova', project: 'service', role: 'admin' },
    { user: 'nova', project: 'service', role: 'service' },
    { user: 'glance', project: 'service', role: 'admin' },
    { user: 'demo', project: 'demo', role: 'member' },
    { user: 'reader', project: 'demo', role: 'reader' },
    { user: 'other', project: 'other', role: 'member' },
  ],
} as const

interface Person {
  readonly token: string
  readonly projectId: string
  call(method: HttpRequest['method'], path: string, json?: unknown): Promise<HttpAnswer>
}

export interface ContractBed {
  readonly service: Service
  readonly images: Glance
  readonly relay: ImageRelay
  readonly people: Readonly<Record<'admin' | 'demo' | 'other' | 'reader', Person>>
  /** Of `demo`, with bytes. */
  image(bytes: Buffer, fields?: Readonly<Record<string, unknown>>): Promise<string>
  /** The bytes as a host gets them: by ticket, checked. */
  fetched(imageId: string): Promise<Buffer>
  close(): Promise<void>
}

const PATCH = 'application/openstack-images-v2.1-json-patch'

export async function contractBed(service: Service): Promise<ContractBed> {
  const clock = systemClock()
  const identity = keystone({
    authUrl: service.identityUrl,
    username: 'nova',
    password: SERVICE_PASSWORD,
    projectName: 'service',
    userDomainName: 'default',
    projectDomainName: 'default',
    regionName: undefined,
    interface: 'public',
    clock,
  })
  const images = glance(identity, { endpoint: `${service.url}/v2`, clock })
  const relay = await startImageRelay({ host: '127.0.0.1', port: 0, glance: images, clock, log: silentLog })
  const folder = mkdtempSync(join(tmpdir(), 'glance-contract-'))
  const [admin, demo, other, reader] = await Promise.all(
    (['admin', 'demo', 'other', 'demo'] as const).map((project, index) =>
      person(service, ['admin', 'demo', 'other', 'reader'][index] ?? '', project),
    ),
  )
  if (!admin || !demo || !other || !reader) throw new Error('nobody there')
  return {
    service,
    images,
    relay,
    people: { admin, demo, other, reader },
    image: async (bytes, fields = {}) => {
      const facts = { container_format: 'bare', disk_format: 'raw', ...fields }
      const { body } = await demo.call('POST', '/images', facts)
      const { id } = body as { id: string }
      const answer = await fetch(`${service.url}/v2/images/${id}/file`, {
        method: 'PUT',
        headers: { 'x-auth-token': demo.token, 'content-type': 'application/octet-stream' },
        body: new Uint8Array(bytes),
      })
      assert.equal(answer.status, 204, await answer.text())
      return id
    },
    fetched: async (imageId) => {
      const path = join(folder, randomUUID())
      await download(await relay.ticket(imageId, randomUUID()), path, () => {}, new AbortController().signal)
      return readFileSync(path)
    },
    close: async () => {
      await relay.close()
      rmSync(folder, { recursive: true })
    },
  }
}

async function person({ url, identityUrl }: Service, name: string, project: string): Promise<Person> {
  const domain = { id: 'default' }
  const answer = await exchange({
    method: 'POST',
    url: `${identityUrl}/v3/auth/tokens`,
    json: {
      auth: {
        identity: { methods: ['password'], password: { user: { name, domain, password: PASSWORD } } },
        scope: { project: { name: project, domain } },
      },
    },
  })
  const token = String(answer.headers['x-subject-token'])
  return {
    token,
    projectId: (answer.body as { token: { project: { id: string } } }).token.project.id,
    call: (method, path, json) =>
      exchange({
        method,
        url: `${url}/v2${path}`,
        headers: { 'x-auth-token': token, ...(method === 'PATCH' ? { 'content-type': PATCH } : {}) },
        ...(json === undefined ? {} : { json }),
      }),
  }
}

const sha512 = (bytes: Buffer): string => createHash('sha512').update(bytes).digest('hex')
/** An active image is kept for a second. */
const forgotten = () => new Promise((resolve) => setTimeout(resolve, 1_100))

export const CONTRACT: Readonly<Record<string, (bed: ContractBed) => Promise<void>>> = {
  'an image is seen in its owner’s name, with all that a server needs of it': async ({ image, images, people }) => {
    const bytes = randomBytes(200_000)
    const id = await image(bytes, { name: 'mine', min_disk: 1, min_ram: 64, hw_disk_bus: 'virtio', os_distro: 'kilo' })
    for (const { token } of [people.demo, people.reader]) {
      const { virtualSizeBytes, ...facts } = (await images.show(id, token)) ?? {}
      assert.deepEqual(facts, {
        id,
        name: 'mine',
        status: 'active',
        diskFormat: 'raw',
        containerFormat: 'bare',
        minDiskGb: 1,
        minRamMb: 64,
        sizeBytes: bytes.length,
        hashAlgorithm: 'sha512',
        hash: sha512(bytes),
        properties: { hw_disk_bus: 'virtio', os_distro: 'kilo' },
      })
      assert.ok(virtualSizeBytes === bytes.length || virtualSizeBytes === null)
    }
  },

  'what is another project’s, unknown or no id is not there': async ({ image, images, people }) => {
    const id = await image(randomBytes(100))
    assert.equal(await images.show(id, people.other.token), undefined)
    assert.equal(await images.show(randomUUID(), people.demo.token), undefined)
    assert.equal(await images.show('no-id', people.demo.token), undefined)
    assert.equal((await images.show(id))?.id, id)
    await people.demo.call('POST', `/images/${id}/members`, { member: people.other.projectId })
    assert.equal((await images.show(id, people.other.token))?.id, id)
    await forgotten()
    await people.demo.call('DELETE', `/images/${id}/members/${people.other.projectId}`)
    assert.equal(await images.show(id, people.other.token), undefined)
  },

  'public and community images are everyone’s': async ({ image, images, people }) => {
    const community = await image(randomBytes(100), { visibility: 'community' })
    const open = await image(randomBytes(100))
    const change = [{ op: 'replace', path: '/visibility', value: 'public' }]
    assert.equal((await people.demo.call('PATCH', `/images/${open}`, change)).status, 403)
    assert.equal((await people.admin.call('PATCH', `/images/${open}`, change)).status, 200)
    for (const id of [community, open]) assert.equal((await images.show(id, people.other.token))?.id, id)
    await people.admin.call('DELETE', `/images/${open}`)
  },

  'a ticket brings the bytes, checked by their sum': async ({ image, fetched, relay }) => {
    const bytes = randomBytes(3_000_000)
    const id = await image(bytes)
    assert.ok((await fetched(id)).equals(bytes))
    const ticket = await relay.ticket(id, 'task')
    const path = join(tmpdir(), randomUUID())
    const never = new AbortController().signal
    const other = { ...ticket, hash: sha512(Buffer.from('another')) }
    await assert.rejects(
      download(other, path, () => {}, never),
      { name: 'ImageDamaged' },
    )
    rmSync(path, { force: true })
  },

  'an image from before SHA-512 comes with its MD5': async ({ image, images, fetched, service }) => {
    if (!service.forgetSha512) return
    const bytes = randomBytes(100_000)
    const id = await image(bytes)
    service.forgetSha512(id)
    const { hashAlgorithm, hash } = (await images.show(id)) ?? {}
    assert.deepEqual([hashAlgorithm, hash], ['md5', createHash('md5').update(bytes).digest('hex')])
    assert.ok((await fetched(id)).equals(bytes))
  },

  'no ticket for an image that is not ready, deactivated or deleted; one that is deleted later is gone': async ({
    image,
    images,
    relay,
    people,
  }) => {
    const { body } = await people.demo.call('POST', '/images', { container_format: 'bare', disk_format: 'raw' })
    await assert.rejects(relay.ticket((body as { id: string }).id, 'task'), /is queued/)
    const id = await image(randomBytes(100))
    const { url } = await relay.ticket(id, 'task')
    assert.equal((await people.admin.call('POST', `/images/${id}/actions/deactivate`)).status, 204)
    await forgotten()
    assert.equal((await images.show(id, people.demo.token))?.status, 'deactivated')
    await assert.rejects(relay.ticket(id, 'task'), /is deactivated/)
    assert.equal((await people.admin.call('POST', `/images/${id}/actions/reactivate`)).status, 204)
    await relay.ticket(id, 'task')
    assert.equal((await people.demo.call('DELETE', `/images/${id}`)).status, 204)
    await forgotten()
    await assert.rejects(relay.ticket(id, 'task'), /is gone/)
    assert.equal((await fetch(url)).status, 404)
  },

  'a protected image stays, and a deleted one’s id is not given again': async ({ image, people: { demo } }) => {
    const id = await image(randomBytes(100), { protected: true })
    assert.equal((await demo.call('DELETE', `/images/${id}`)).status, 403)
    await demo.call('PATCH', `/images/${id}`, [{ op: 'replace', path: '/protected', value: false }])
    assert.equal((await demo.call('DELETE', `/images/${id}`)).status, 204)
    assert.equal((await demo.call('POST', '/images', { id })).status, 409)
  },

  'requests are answered with the same statuses': async ({ image, people: { admin, demo, other, reader } }) => {
    const id = await image(randomBytes(100), { name: 'same' })
    const replace = (path: string, value: unknown) => [{ op: 'replace', path, value }]
    const cases: readonly (readonly [Person, HttpRequest['method'], string, unknown, number])[] = [
      [demo, 'GET', `/images/${id}`, undefined, 200],
      [other, 'GET', `/images/${id}`, undefined, 404],
      [other, 'DELETE', `/images/${id}`, undefined, 404],
      [other, 'PATCH', `/images/${id}`, replace('/name', 'theirs'), 404],
      [demo, 'POST', '/images', { min_disk: 'many' }, 400],
      [demo, 'POST', '/images', { disk_format: 'floppy' }, 400],
      [demo, 'POST', '/images', { id: 'no-uuid' }, 400],
      [demo, 'POST', '/images', { id }, 409],
      [demo, 'POST', '/images', { status: 'active' }, 403],
      [demo, 'POST', '/images', { visibility: 'public' }, 403],
      [demo, 'POST', '/images', { owner: other.projectId }, 403],
      [demo, 'PATCH', `/images/${id}`, replace('/status', 'queued'), 403],
      [demo, 'PATCH', `/images/${id}`, replace('/nothing', 'x'), 409],
      [demo, 'PATCH', `/images/${id}`, [{ op: 'remove', path: '/name' }], 403],
      [demo, 'PATCH', `/images/${id}`, replace('/disk_format', 'qcow2'), 403],
      [demo, 'PATCH', `/images/${id}`, replace('/min_ram', -1), 400],
      [demo, 'PATCH', `/images/${id}`, [{ op: 'move', path: '/name' }], 400],
      [demo, 'PATCH', `/images/${id}`, [{ op: 'add', path: '/mine', value: 'x' }], 200],
      [demo, 'PATCH', `/images/${id}`, [{ op: 'remove', path: '/mine' }], 200],
      [demo, 'PUT', `/images/${id}/tags/red`, undefined, 204],
      [demo, 'DELETE', `/images/${id}/tags/red`, undefined, 204],
      [demo, 'DELETE', `/images/${id}/tags/red`, undefined, 404],
      [demo, 'POST', `/images/${id}/members`, { member: other.projectId }, 200],
      [demo, 'POST', `/images/${id}/members`, { member: other.projectId }, 409],
      [demo, 'PUT', `/images/${id}/members/${other.projectId}`, { status: 'accepted' }, 403],
      [other, 'PUT', `/images/${id}/members/${other.projectId}`, { status: 'maybe' }, 400],
      [other, 'PUT', `/images/${id}/members/${other.projectId}`, { status: 'accepted' }, 200],
      [other, 'GET', `/images/${id}/members`, undefined, 200],
      [other, 'GET', `/images/${id}`, undefined, 200],
      [other, 'DELETE', `/images/${id}`, undefined, 403],
      [other, 'PATCH', `/images/${id}`, replace('/name', 'theirs'), 403],
      [demo, 'PATCH', `/images/${id}`, replace('/visibility', 'private'), 200],
      [demo, 'GET', `/images/${id}/members`, undefined, 403],
      [other, 'GET', `/images/${id}`, undefined, 404],
      [demo, 'POST', `/images/${id}/import`, { method: { name: 'glance-direct' } }, 409],
      [demo, 'POST', `/images/${id}/import`, { method: { name: 'telepathy' } }, 400],
      [demo, 'POST', `/images/${id}/import`, {}, 400],
      [demo, 'GET', `/images/${id}/tasks`, undefined, 200],
      [demo, 'GET', '/tasks', undefined, 403],
      [admin, 'GET', '/tasks', undefined, 200],
      [demo, 'GET', '/info/import', undefined, 200],
      [demo, 'GET', '/schemas/image', undefined, 200],
      [demo, 'GET', '/schemas/members', undefined, 200],
      [demo, 'GET', '/images?limit=x', undefined, 400],
      [demo, 'GET', '/images?sort_key=colour', undefined, 400],
      [demo, 'GET', '/images?sort=name:up', undefined, 400],
      [demo, 'GET', `/images?marker=${randomUUID()}`, undefined, 400],
      [demo, 'GET', '/images?created_at=gt:yesterday', undefined, 400],
      [demo, 'GET', '/images?visibility=secret', undefined, 400],
      [demo, 'GET', '/images?member_status=maybe', undefined, 400],
      [demo, 'GET', '/images?os_hidden=maybe', undefined, 400],
      [reader, 'GET', '/images', undefined, 200],
      [demo, 'DELETE', `/images/${id}`, undefined, 204],
      [demo, 'DELETE', `/images/${id}`, undefined, 404],
      [demo, 'GET', `/images/${id}`, undefined, 404],
    ]
    const answers: string[] = []
    for (const [person, method, path, json] of cases)
      answers.push(`${method} ${path}: ${(await person.call(method, path, json)).status}`)
    assert.deepEqual(
      answers,
      cases.map(([, method, path, , status]) => `${method} ${path}: ${status}`),
    )
  },

  'lists are filtered, sorted and paged alike': async ({ image, people: { demo } }) => {
    const mark = `mark-${randomUUID()}`
    const sizes = { 'l-a': 300, 'l-b': 200, 'l,c': 100 }
    for (const [name, size] of Object.entries(sizes)) await image(randomBytes(size), { name, tags: [mark, name], mark })
    const names = async (query: string) =>
      ((await demo.call('GET', `/images?tag=${mark}&${query}`)).body as { images: { name: string }[] }).images.map(
        ({ name }) => name,
      )
    const cases = [
      ['sort=name:asc', ['l,c', 'l-a', 'l-b']],
      ['sort_key=size&sort_dir=asc', ['l,c', 'l-b', 'l-a']],
      ['sort=disk_format:asc,size:desc', ['l-a', 'l-b', 'l,c']],
      ['sort=name:asc&limit=2', ['l,c', 'l-a']],
      ['sort=name:asc&name=in:l-a,"l,c"', ['l,c', 'l-a']],
      ['sort=name:asc&status=in:active,queued&size_min=200', ['l-a', 'l-b']],
      ['sort=name:asc&size_max=200', ['l,c', 'l-b']],
      ['tag=l-a', ['l-a']],
      [`sort=name:asc&mark=${mark}&name=l-b`, ['l-b']],
      ['protected=true', []],
      ['os_hidden=true', []],
      ['sort=name:asc&visibility=shared', ['l,c', 'l-a', 'l-b']],
      ['visibility=public', []],
      ['sort=name:asc&created_at=gt:2020-01-01T00:00:00Z', ['l,c', 'l-a', 'l-b']],
      ['updated_at=lt:2020-01-01T00:00:00Z', []],
    ] as const
    for (const [query, found] of cases) assert.deepEqual(await names(query.replaceAll('"', '%22')), found, query)
  },
}
