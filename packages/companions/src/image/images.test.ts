/** Images over HTTP: made, found, changed, shared. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { testImage, type Person, type TestImage } from '../test-cloud.ts'

let cloud: TestImage
let demo: Person
let other: Person
let admin: Person
before(async () => {
  cloud = await testImage()
  ;[demo, other, admin] = await Promise.all([cloud.person('demo'), cloud.person('other'), cloud.person('admin')])
})
after(() => cloud.close())

type Image = Readonly<Record<string, unknown>> & { readonly id: string }
const bare = { container_format: 'bare', disk_format: 'raw' }
const PATCH = { 'content-type': 'application/openstack-images-v2.1-json-patch' }

async function make(person: Person, body: object): Promise<Image> {
  const { status, body: image } = await person.call('POST', '/v2/images', body)
  assert.equal(status, 201, JSON.stringify(image))
  return image as Image
}
const ids = async (person: Person, query: string): Promise<readonly unknown[]> =>
  ((await person.call('GET', `/v2/images${query}`)).body as { images: Image[] }).images.map(({ name }) => name)

test('an image is made with properties and tags beside the fields that Glance has', async () => {
  const made = await make(demo, { name: 'one', ...bare, tags: ['b', 'a'], hw_disk_bus: 'virtio', min_ram: 64 })
  assert.equal(made['status'], 'queued')
  assert.equal(made['visibility'], 'shared')
  assert.equal(made['owner'], demo.projectId)
  assert.equal(made['hw_disk_bus'], 'virtio')
  assert.deepEqual(made['tags'], ['a', 'b'])
  assert.equal(made['self'], `/v2/images/${made.id}`)
  assert.deepEqual((await demo.call('GET', `/v2/images/${made.id}`)).body, made)
})

test('an id may be chosen once, ever', async () => {
  const id = '11111111-2222-5333-8444-555555555555'
  assert.equal((await make(demo, { id, ...bare })).id, id)
  assert.equal((await demo.call('POST', '/v2/images', { id, ...bare })).status, 409)
  // Who knew the old one must not be shown another.
  assert.equal((await demo.call('DELETE', `/v2/images/${id}`)).status, 204)
  assert.equal((await demo.call('POST', '/v2/images', { id, ...bare })).status, 409)
})

test('what is mistyped, read-only, reserved or an admin’s is refused', async () => {
  const cases = [
    [{ min_disk: 'many' }, 400],
    [{ disk_format: 'floppy' }, 400],
    [{ hw_vif_model: 7 }, 400],
    [{ id: 'not-a-uuid' }, 400],
    [{ status: 'active' }, 403],
    [{ locations: '[]' }, 403],
    [{ os_glance_import_task: 'x' }, 403],
    [{ tags: Array.from({ length: 129 }, (_, index) => `t${index}`) }, 413],
    [Object.fromEntries(Array.from({ length: 129 }, (_, index) => [`p${index}`, 'x'])), 413],
    [{ visibility: 'public' }, 403],
    [{ owner: 'somebody' }, 403],
  ] as const
  for (const [body, status] of cases) {
    const answer = await demo.call('POST', '/v2/images', body)
    assert.equal(answer.status, status, JSON.stringify(body))
    assert.deepEqual(Object.keys(answer.body as object), ['message', 'code', 'title'])
  }
  const reader = await cloud.person('reader')
  assert.equal((await reader.call('POST', '/v2/images', bare)).status, 403)
})

test('no token, or one that nobody issued, is a 401 that says where to get one', async () => {
  for (const token of ['', 'invented']) {
    const answer = await demo.call('GET', '/v2/images', undefined, { 'x-auth-token': token })
    assert.equal(answer.status, 401)
    assert.equal(answer.headers['www-authenticate'], `Keystone uri="${cloud.identity.url}"`)
    assert.equal((answer.body as { error: { code: number } }).error.code, 401)
  }
})

test('a patch changes, adds and removes, all or nothing', async () => {
  const { id } = await make(demo, { name: 'before', ...bare, old: 'x' })
  const patch = (body: unknown) => demo.call('PATCH', `/v2/images/${id}`, body, PATCH)
  const done = await patch([
    { op: 'replace', path: '/name', value: 'after' },
    { op: 'add', path: '/with~1slash', value: 'y' },
    { op: 'remove', path: '/old' },
    { op: 'replace', path: '/tags', value: ['t'] },
  ])
  assert.equal(done.status, 200)
  const image = done.body as Image
  assert.deepEqual([image['name'], image['with/slash'], image['old'], image['tags']], ['after', 'y', undefined, ['t']])
  const refused = [
    [
      [
        { op: 'replace', path: '/name', value: 'no' },
        { op: 'replace', path: '/status', value: 'active' },
      ],
      403,
    ],
    [[{ op: 'replace', path: '/never', value: 'x' }], 409],
    [[{ op: 'remove', path: '/name' }], 403],
    [[{ op: 'replace', path: '/min_ram', value: -1 }], 400],
    [[{ op: 'add', path: '/visibility', value: 'public' }], 403],
    [[{ op: 'move', path: '/name' }], 400],
  ] as const
  for (const [body, status] of refused) assert.equal((await patch(body)).status, status, JSON.stringify(body))
  assert.equal(((await demo.call('GET', `/v2/images/${id}`)).body as Image)['name'], 'after')
  assert.equal((await demo.call('PATCH', `/v2/images/${id}`, [])).status, 415)
})

test('a patch of the older kind has its path under what is to be done', async () => {
  const { id } = await make(demo, { name: 'before', ...bare, old: 'x' })
  const OLD = { 'content-type': 'application/openstack-images-v2.0-json-patch' }
  const patch = (body: unknown) => demo.call('PATCH', `/v2/images/${id}`, body, OLD)
  const done = await patch([{ replace: '/name', value: 'after' }, { add: '/new', value: 'y' }, { remove: '/old' }])
  const image = done.body as Image
  assert.deepEqual([done.status, image['name'], image['new'], image['old']], [200, 'after', 'y', undefined])
  assert.equal((await patch([{ op: 'replace', path: '/name', value: 'no' }])).status, 400)
  assert.equal((await patch([{ replace: '/name', add: '/name', value: 'no' }])).status, 400)
})

test('an image is its project’s until it is shared or public', async () => {
  const { id } = await make(demo, { name: 'mine', ...bare })
  assert.equal((await other.call('GET', `/v2/images/${id}`)).status, 404)
  assert.equal((await other.call('DELETE', `/v2/images/${id}`)).status, 404)
  const share = await demo.call('POST', `/v2/images/${id}/members`, { member: other.projectId })
  assert.equal((share.body as { status: string }).status, 'pending')
  assert.equal((await other.call('GET', `/v2/images/${id}`)).status, 200)
  assert.ok(!(await ids(other, '')).includes('mine'))
  assert.equal((await other.call('DELETE', `/v2/images/${id}`)).status, 403)
  assert.equal(
    (await demo.call('PUT', `/v2/images/${id}/members/${other.projectId}`, { status: 'accepted' })).status,
    403,
  )
  assert.equal(
    (await other.call('PUT', `/v2/images/${id}/members/${other.projectId}`, { status: 'accepted' })).status,
    200,
  )
  assert.ok((await ids(other, '')).includes('mine'))
  assert.equal((await demo.call('DELETE', `/v2/images/${id}/members/${other.projectId}`)).status, 204)
  assert.equal((await other.call('GET', `/v2/images/${id}`)).status, 404)
  const { id: open } = await make(admin, { name: 'open', visibility: 'public', ...bare })
  assert.equal((await other.call('GET', `/v2/images/${open}`)).status, 200)
})

test('lists are filtered by field, tag and property, sorted and paged', async () => {
  for (const [name, size] of [
    ['l-a', 3],
    ['l-b', 2],
    ['l-c', 1],
  ] as const)
    await make(other, { name, ...bare, min_ram: size, tags: ['listed', `only-${name}`], os_distro: 'kilo' })
  assert.deepEqual(await ids(other, '?tag=listed&sort_key=name&sort_dir=asc'), ['l-a', 'l-b', 'l-c'])
  assert.deepEqual(await ids(other, '?tag=listed&tag=only-l-b'), ['l-b'])
  assert.deepEqual(await ids(other, '?os_distro=kilo&sort=min_ram:asc'), ['l-c', 'l-b', 'l-a'])
  assert.deepEqual(await ids(other, '?name=in:l-a,"l-c"&sort=name:asc'), ['l-a', 'l-c'])
  assert.deepEqual(await ids(other, '?os_distro=other'), [])
  const seen: unknown[] = []
  for (let next: string | undefined = '/v2/images?tag=listed&sort=name:desc&limit=2'; next;) {
    const page = (await other.call('GET', next)).body as { images: Image[]; next?: string }
    seen.push(...page.images.map(({ name }) => name))
    next = page.next
  }
  assert.deepEqual(seen, ['l-c', 'l-b', 'l-a'])
  for (const query of ['?limit=x', '?sort_key=color', '?marker=11111111-1111-1111-1111-111111111111', '?sort=name:up'])
    assert.equal((await other.call('GET', `/v2/images${query}`)).status, 400, query)
})

test('lists are filtered by time with operators', async () => {
  const { created_at: at } = await make(other, { name: 'then', ...bare, tags: ['timed'] })
  cloud.clock.advance(5_000)
  const { created_at: later } = await make(other, { name: 'later', ...bare, tags: ['timed'] })
  for (const [operator, when, found] of [
    ['gt:', at, ['later']],
    ['gte:', at, ['later', 'then']],
    ['lt:', later, ['then']],
    ['lte:', later, ['later', 'then']],
    ['eq:', at, ['then']],
    ['', at, ['then']],
    ['neq:', at, ['later']],
  ] as const)
    assert.deepEqual(
      new Set(await ids(other, `?tag=timed&created_at=${operator}${String(when)}`)),
      new Set(found),
      operator,
    )
  assert.deepEqual(await ids(other, `?tag=timed&created_at=gt:${String(at)}&created_at=lt:${String(later)}`), [])
  for (const query of [
    '?created_at=gt:yesterday',
    '?updated_at=over:2026-01-01',
    '?visibility=secret',
    '?member_status=x',
  ])
    assert.equal((await other.call('GET', `/v2/images${query}`)).status, 400, query)
})

test('community images are their owner’s to give, and seen by who asks for them', async () => {
  await make(demo, { name: 'for all', visibility: 'community', ...bare })
  assert.ok(!(await ids(other, '')).includes('for all'))
  assert.ok((await ids(other, '?visibility=community')).includes('for all'))
  assert.ok((await ids(other, '?visibility=all')).includes('for all'))
})

test('only a shared image has members, and only the invited project says what it makes of it', async () => {
  const { id } = await make(demo, { name: 'private', visibility: 'private', ...bare })
  const members = `/v2/images/${id}/members`
  assert.equal((await demo.call('POST', members, { member: other.projectId })).status, 403)
  assert.equal((await demo.call('GET', members)).status, 403)
  assert.equal((await demo.call('GET', `${members}/${other.projectId}`)).status, 404)
  await demo.call('PATCH', `/v2/images/${id}`, [{ op: 'replace', path: '/visibility', value: 'shared' }], PATCH)
  assert.equal((await demo.call('POST', members, { member: other.projectId })).status, 200)
  assert.equal((await demo.call('POST', members, { member: other.projectId })).status, 409)
  const answer = (status: string) => other.call('PUT', `${members}/${other.projectId}`, { status })
  const listed = async (query = '') => (await ids(other, query)).includes('private')
  assert.deepEqual([await listed(), await listed('?member_status=pending')], [false, true])
  assert.equal((await answer('accepted')).status, 200)
  assert.equal(await listed(), true)
  assert.equal((await answer('rejected')).status, 200)
  assert.deepEqual([await listed(), await listed('?member_status=rejected')], [false, true])
  assert.equal((await answer('maybe')).status, 400)
})

test('patches that come at once all count', async () => {
  const { id } = await make(demo, bare)
  const names = Array.from({ length: 10 }, (_, index) => `p${index}`)
  await Promise.all(
    names.map((name) => demo.call('PATCH', `/v2/images/${id}`, [{ op: 'add', path: `/${name}`, value: name }], PATCH)),
  )
  const image = (await demo.call('GET', `/v2/images/${id}`)).body as Image
  assert.deepEqual(
    names.map((name) => image[name]),
    names,
  )
})

test('tags come and go one by one', async () => {
  const { id } = await make(demo, bare)
  assert.equal((await demo.call('PUT', `/v2/images/${id}/tags/new`)).status, 204)
  assert.deepEqual(((await demo.call('GET', `/v2/images/${id}`)).body as Image)['tags'], ['new'])
  assert.equal((await demo.call('DELETE', `/v2/images/${id}/tags/new`)).status, 204)
  assert.equal((await demo.call('DELETE', `/v2/images/${id}/tags/new`)).status, 404)
})

test('a protected image stays', async () => {
  const { id } = await make(demo, { ...bare, protected: true })
  assert.equal((await demo.call('DELETE', `/v2/images/${id}`)).status, 403)
  await demo.call('PATCH', `/v2/images/${id}`, [{ op: 'replace', path: '/protected', value: false }], PATCH)
  assert.equal((await demo.call('DELETE', `/v2/images/${id}`)).status, 204)
  assert.equal((await demo.call('GET', `/v2/images/${id}`)).status, 404)
})

test('versions and schemas are told', async () => {
  const versions = await demo.call('GET', '/')
  assert.equal(versions.status, 300)
  assert.match(JSON.stringify(versions.body), /"CURRENT"/)
  for (const name of ['image', 'images', 'member', 'members', 'task', 'tasks'])
    assert.equal(((await demo.call('GET', `/v2/schemas/${name}`)).body as { name: string }).name, name)
})

test('a service at work for a project is shown its private images when it names it', async () => {
  const service = await cloud.person('kilonova')
  await make(demo, { name: 'backup', visibility: 'private', image_type: 'backup', ...bare })
  assert.deepEqual(await ids(service, '?image_type=backup'), [])
  assert.deepEqual(await ids(service, `?image_type=backup&owner=${demo.projectId}`), ['backup'])
  assert.deepEqual(await ids(other, `?image_type=backup&owner=${demo.projectId}`), [])
})
