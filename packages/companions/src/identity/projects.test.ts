/** Domains and projects: a tree, tags, what is disabled lets nobody in. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { namesIn, testRegistry, words, type Registry } from './testing.ts'

let it: Registry
before(async () => void (it = await testRegistry()))
after(() => it.close())

const project = (name: string, more: object = {}) => it.make('projects', 'project', { name, ...more })

test('a project shows what was given, unknown attributes too, and what is changed', async () => {
  const id = await project('shown', { description: 'D', tags: ['b', 'a', 'b'], color: 'blue' })
  const one = async () =>
    ((await it.admin.call('GET', `/v3/projects/${id}`)).body as { project: Record<string, unknown> }).project
  const { links, ...shown } = await one()
  assert.deepEqual(shown, {
    id,
    name: 'shown',
    domain_id: 'default',
    parent_id: 'default',
    description: 'D',
    enabled: true,
    is_domain: false,
    tags: ['b', 'a'],
    options: {},
    color: 'blue',
  })
  assert.deepEqual(links, { self: `${it.identity.url}/v3/projects/${id}` })
  const change = { project: { name: 'renamed', color: 'red', size: 3 } }
  assert.equal((await it.admin.call('PATCH', `/v3/projects/${id}`, change)).status, 200)
  const changed = await one()
  assert.deepEqual(
    [changed['name'], changed['color'], changed['size'], changed['description']],
    ['renamed', 'red', 3, 'D'],
  )
})

test('names are unique in a domain, not beyond it', async () => {
  const domain = await it.make('domains', 'domain', { name: 'elsewhere' })
  await project('same')
  await project('same', { domain_id: domain })
  const again = await it.admin.call('POST', '/v3/projects', { project: { name: 'same' } })
  assert.equal(again.status, 409)
  assert.match(words(again), /^Conflict occurred attempting to store project/)
  const other = await project('other-name')
  assert.equal((await it.admin.call('PATCH', `/v3/projects/${other}`, { project: { name: 'same' } })).status, 409)
})

test('two who make the same at once: one does', async () => {
  const tries = Array.from({ length: 8 }, () => it.admin.call('POST', '/v3/domains', { domain: { name: 'race' } }))
  const statuses = (await Promise.all(tries)).map(({ status }) => status)
  assert.deepEqual(
    statuses.toSorted((a, b) => a - b),
    [201, ...Array.from({ length: 7 }, () => 409)],
  )
})

test('a tree is at most five deep, in one domain, and is taken down from its leaves', async () => {
  const ids: string[] = []
  for (let depth = 0; depth < 5; depth++)
    ids.push(await project(`level-${depth}`, depth === 0 ? {} : { parent_id: ids.at(-1) }))
  const refusals = [
    [{ name: 'too-deep', parent_id: ids.at(-1) }, 403],
    [{ name: 'lost', parent_id: 'nowhere' }, 400],
    [{ name: 'lost', domain_id: 'nowhere' }, 400],
    [{ name: 'crossed', parent_id: ids[0], domain_id: await it.make('domains', 'domain', { name: 'crossed' }) }, 400],
  ] as const
  for (const [fields, status] of refusals)
    assert.equal((await it.admin.call('POST', '/v3/projects', { project: fields })).status, status)
  const [root = '', second = ''] = ids
  assert.match(words(await it.admin.call('DELETE', `/v3/projects/${root}`)), /not a leaf/)
  assert.equal((await it.admin.call('PATCH', `/v3/projects/${second}`, { project: { parent_id: root } })).status, 200)
  assert.equal((await it.admin.call('PATCH', `/v3/projects/${second}`, { project: { parent_id: ids[2] } })).status, 403)
  const family = await it.admin.call('GET', `/v3/projects/${second}?parents_as_ids&subtree_as_ids`)
  const { parents, subtree } = (family.body as { project: { parents: unknown; subtree: unknown } }).project
  assert.deepEqual(parents, { [root]: { default: null } })
  assert.deepEqual(subtree, { [ids[2] ?? '']: { [ids[3] ?? '']: { [ids[4] ?? '']: null } } })
  assert.deepEqual(namesIn(await it.admin.call('GET', `/v3/projects?parent_id=${root}`), 'projects'), ['level-1'])
  for (const id of ids.toReversed()) assert.equal((await it.admin.call('DELETE', `/v3/projects/${id}`)).status, 204)
})

test('a branch is disabled from its leaves and enabled from its root', async () => {
  const root = await project('root')
  const leaf = await project('leaf', { parent_id: root })
  const enabled = async (id: string, on: boolean) =>
    (await it.admin.call('PATCH', `/v3/projects/${id}`, { project: { enabled: on } })).status
  assert.deepEqual(
    [await enabled(root, false), await enabled(leaf, false), await enabled(root, false)],
    [403, 200, 200],
  )
  assert.equal((await it.admin.call('POST', '/v3/projects', { project: { name: 'x', parent_id: root } })).status, 403)
  assert.deepEqual([await enabled(leaf, true), await enabled(root, true), await enabled(leaf, true)], [403, 200, 200])
})

test('tags: all, some and none of them', async () => {
  const id = await project('tagged', { tags: ['x', 'y'] })
  await project('half', { tags: ['x'] })
  const by = async (query: string) =>
    namesIn(await it.admin.call('GET', `/v3/projects?${query}`), 'projects').filter((name) =>
      ['tagged', 'half'].includes(name),
    )
  assert.deepEqual(await by('tags=x,y'), ['tagged'])
  assert.deepEqual(await by('tags-any=x,y'), ['half', 'tagged'])
  assert.deepEqual(await by('not-tags=x,y'), ['half'])
  assert.deepEqual(await by('not-tags-any=y'), ['half'])
  const path = `/v3/projects/${id}/tags`
  assert.equal((await it.admin.call('PUT', `${path}/z`)).status, 201)
  assert.equal((await it.admin.call('HEAD', `${path}/z`)).status, 204)
  assert.equal((await it.admin.call('DELETE', `${path}/x`)).status, 204)
  assert.equal((await it.admin.call('DELETE', `${path}/x`)).status, 404)
  assert.equal((await it.admin.call('PUT', path, { tags: ['a/b'] })).status, 400)
  assert.deepEqual(((await it.admin.call('GET', path)).body as { tags: string[] }).tags, ['y', 'z'])
  const many = Array.from({ length: 81 }, (_, index) => `t${index}`)
  assert.equal((await it.admin.call('PUT', path, { tags: many })).status, 400)
})

test('inexact filters, for any case and for one', async () => {
  await project('Alpha-one')
  await project('alpha-two')
  const by = async (query: string) => namesIn(await it.admin.call('GET', `/v3/projects?${query}`), 'projects')
  assert.deepEqual(await by('name__startswith=alpha'), ['alpha-two'])
  assert.deepEqual(await by('name__istartswith=alpha'), ['Alpha-one', 'alpha-two'])
  assert.deepEqual(await by('name__icontains=PHA-T'), ['alpha-two'])
  assert.deepEqual(await by('name__endswith=-one'), ['Alpha-one'])
  assert.deepEqual(await by('name__contains=%25'), [])
})

test('a disabled domain or project ends the tokens for it and gives no new ones; a deleted domain takes all along', async () => {
  const domain = await it.make('domains', 'domain', { name: 'short-lived' })
  const inside = await project('inside', { domain_id: domain })
  const user = await it.make('users', 'user', { name: 'local', domain_id: domain, password: 'secret' })
  await it.give(user, `projects/${inside}`, 'member')
  await it.user('guest', `projects/${inside}`, 'member')
  const guest = await it.as('guest', { project: { id: inside } })
  assert.equal((await it.admin.call('DELETE', `/v3/domains/${domain}`)).status, 403)
  await it.admin.call('PATCH', `/v3/domains/${domain}`, { domain: { enabled: false } })
  assert.equal((await guest('GET', '/v3/auth/projects')).status, 401)
  assert.equal((await it.byPassword('guest', { project: { id: inside } })).status, 401)
  assert.deepEqual(namesIn(await (await it.as('guest'))('GET', '/v3/auth/projects'), 'projects'), [])
  assert.equal((await it.admin.call('DELETE', `/v3/domains/${domain}`)).status, 204)
  for (const path of [`projects/${inside}`, `users/${user}`, `domains/${domain}`])
    assert.equal((await it.admin.call('GET', `/v3/${path}`)).status, 404)
  const { body } = await it.admin.call('GET', '/v3/role_assignments')
  assert.doesNotMatch(JSON.stringify(body), new RegExp(inside))
  assert.equal((await it.admin.call('DELETE', '/v3/domains/default')).status, 403)
})

test('what is immutable is neither changed nor deleted until that is taken back', async () => {
  const id = await project('stone', { options: { immutable: true } })
  const patch = async (fields: object) =>
    (await it.admin.call('PATCH', `/v3/projects/${id}`, { project: fields })).status
  assert.equal(await patch({ description: 'x' }), 403)
  assert.equal((await it.admin.call('DELETE', `/v3/projects/${id}`)).status, 403)
  assert.deepEqual([await patch({ options: { immutable: null } }), await patch({ description: 'x' })], [200, 200])
  assert.equal((await it.admin.call('DELETE', `/v3/roles/${await it.role('admin')}`)).status, 403)
})

test('wrong bodies are a 400 that says where', async () => {
  const bodies = [{}, { project: {} }, { project: { name: '' } }, { project: { name: ' ' } }, { project: { name: 7 } }]
  const more = [
    { name: 'x'.repeat(65) },
    { name: 'a', enabled: 'yes' },
    { name: 'a', tags: 'x' },
    { name: 'a', is_domain: true },
  ]
  for (const body of [...bodies, ...more.map((fields) => ({ project: fields }))])
    assert.equal((await it.admin.call('POST', '/v3/projects', body)).status, 400, JSON.stringify(body))
})

test('text with a NUL, which PostgreSQL cannot keep, is refused on every database', async () => {
  const bodies = [{ name: 'a\0b' }, { name: 'a', color: ['\0'] }, { name: 'a', '\0': 1 }]
  for (const project of bodies) assert.equal((await it.admin.call('POST', '/v3/projects', { project })).status, 400)
  for (const path of ['users/a%00', 'projects?name=%00'])
    assert.equal((await it.admin.call('GET', `/v3/${path}`)).status, 400)
})
