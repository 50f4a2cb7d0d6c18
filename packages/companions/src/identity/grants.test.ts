/** Roles: how they are given, inherited and implied, who may give them, and what is listed of it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { namesIn, testRegistry, words, type Registry } from './testing.ts'

let it: Registry
let demo = ''
before(async () => {
  it = await testRegistry()
  demo = it.projects['demo'] ?? ''
})
after(() => it.close())

interface Listed {
  readonly role: { readonly id: string; readonly name: string }
  readonly user?: { readonly name: string }
  readonly group?: { readonly name: string }
  readonly scope: {
    readonly project?: { readonly name: string }
    readonly domain?: { readonly name: string }
    readonly system?: { readonly all: boolean }
    readonly 'OS-INHERIT:inherited_to'?: string
  }
  readonly links: Readonly<Record<string, string>>
}
const assignments = async (query: string): Promise<readonly Listed[]> => {
  const { status, body } = await it.admin.call('GET', `/v3/role_assignments?include_names&${query}`)
  assert.equal(status, 200, JSON.stringify(body))
  return (body as { role_assignments: Listed[] }).role_assignments
}
const short = (listed: readonly Listed[]): readonly string[] =>
  listed
    .map(({ role, user, group, scope }) =>
      [
        role.name,
        user?.name ?? `group ${group?.name}`,
        scope.project?.name ?? scope.domain?.name ?? 'system',
        ...(scope['OS-INHERIT:inherited_to'] === undefined ? [] : ['inherited']),
      ].join(' '),
    )
    .toSorted()
const rolesFor = async (name: string, scope: unknown): Promise<readonly string[] | number> => {
  const answer = await it.byPassword(name, scope)
  if (answer.status !== 201) return answer.status
  return (answer.body as { token: { roles: { name: string }[] } }).token.roles.map((role) => role.name)
}

test('a role is given, checked, listed and taken, on a project, a domain and the system', async () => {
  const user = await it.user('given')
  const group = await it.make('groups', 'group', { name: 'given-group' })
  const role = await it.role('reader')
  const targets = [
    `projects/${demo}/users/${user}`,
    `projects/${demo}/groups/${group}`,
    `domains/default/users/${user}`,
    `domains/default/groups/${group}`,
    `system/users/${user}`,
    `system/groups/${group}`,
  ]
  const paths = [
    ...targets.map((path) => [`/v3/${path}/roles/${role}`, `/v3/${path}/roles`] as const),
    ...targets
      .filter((path) => !path.startsWith('system'))
      .map((path) => {
        const base = `/v3/OS-INHERIT/${path}/roles`
        return [`${base}/${role}/inherited_to_projects`, `${base}/inherited_to_projects`] as const
      }),
  ]
  for (const [path, list] of paths) {
    const statuses = []
    for (const method of ['HEAD', 'PUT', 'PUT', 'HEAD', 'GET'] as const)
      statuses.push((await it.admin.call(method, path)).status)
    assert.deepEqual(statuses, [404, 204, 204, 204, 204], path)
    assert.deepEqual(namesIn(await it.admin.call('GET', list), 'roles'), ['reader'], list)
    assert.equal((await it.admin.call('DELETE', path)).status, 204)
    assert.equal((await it.admin.call('DELETE', path)).status, 404)
  }
  for (const path of [
    `projects/nowhere/users/${user}/roles/${role}`,
    `projects/${demo}/users/nobody/roles/${role}`,
    `projects/${demo}/users/${user}/roles/nothing`,
  ])
    assert.equal((await it.admin.call('PUT', `/v3/${path}`)).status, 404, path)
})

test('an inherited role holds below its target, not on it', async () => {
  const domain = await it.make('domains', 'domain', { name: 'tree' })
  const root = await it.make('projects', 'project', { name: 'root', domain_id: domain })
  const leaf = await it.make('projects', 'project', { name: 'leaf', domain_id: domain, parent_id: root })
  const member = await it.role('member')
  const byDomain = await it.user('by-domain')
  const byProject = await it.user('by-project')
  const give = (path: string) => it.admin.call('PUT', `/v3/OS-INHERIT/${path}/roles/${member}/inherited_to_projects`)
  await give(`domains/${domain}/users/${byDomain}`)
  await give(`projects/${root}/users/${byProject}`)
  const scopes = [{ domain: { id: domain } }, { project: { id: root } }, { project: { id: leaf } }]
  const held = async (name: string) => Promise.all(scopes.map((scope) => rolesFor(name, scope)))
  assert.deepEqual(await held('by-domain'), [401, ['member', 'reader'], ['member', 'reader']])
  assert.deepEqual(await held('by-project'), [401, 401, ['member', 'reader']])
  const projects = async (name: string) => namesIn(await (await it.as(name))('GET', '/v3/auth/projects'), 'projects')
  assert.deepEqual([await projects('by-domain'), await projects('by-project')], [['leaf', 'root'], ['leaf']])
  assert.deepEqual(short(await assignments(`user.id=${byProject}`)), ['member by-project root inherited'])
  assert.deepEqual(short(await assignments(`user.id=${byProject}&effective`)), [
    'member by-project leaf inherited',
    'reader by-project leaf inherited',
  ])
  assert.deepEqual(short(await assignments(`scope.domain.id=${domain}&scope.OS-INHERIT:inherited_to=projects`)), [
    'member by-domain tree inherited',
  ])
  assert.deepEqual(
    short(await assignments(`scope.project.id=${root}&include_subtree&effective&user.id=${byProject}`)),
    ['member by-project leaf inherited', 'reader by-project leaf inherited'],
  )
})

test('effective assignments tell members instead of groups, and where each comes from', async () => {
  const group = await it.make('groups', 'group', { name: 'team' })
  const user = await it.user('teammate')
  await it.admin.call('PUT', `/v3/groups/${group}/users/${user}`)
  const member = await it.role('member')
  await it.admin.call('PUT', `/v3/projects/${demo}/groups/${group}/roles/${member}`)
  assert.deepEqual(short(await assignments(`group.id=${group}`)), ['member group team demo'])
  assert.deepEqual(await assignments(`user.id=${user}`), [])
  const effective = await assignments(`user.id=${user}&effective`)
  assert.deepEqual(short(effective), ['member teammate demo', 'reader teammate demo'])
  const reader = effective.find(({ role }) => role.name === 'reader')
  const url = `${it.identity.url}/v3`
  assert.deepEqual(reader?.links, {
    assignment: `${url}/projects/${demo}/groups/${group}/roles/${member}`,
    membership: `${url}/groups/${group}/users/${user}`,
    prior_role: `${url}/roles/${member}/implies/${reader?.role.id}`,
  })
  for (const query of [`group.id=${group}&effective`, `group.id=${group}&user.id=${user}`, 'include_subtree'])
    assert.equal((await it.admin.call('GET', `/v3/role_assignments?${query}`)).status, 400, query)
})

test('a role implies others, over several steps and in a circle; admin is implied by none', async () => {
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name) => it.make('roles', 'role', { name })))
  const imply = (prior = '', implied = '') => it.admin.call('PUT', `/v3/roles/${prior}/implies/${implied}`)
  for (const [prior, implied] of [
    [a, b],
    [b, c],
    [c, a],
  ])
    assert.equal((await imply(prior, implied)).status, 201)
  assert.equal((await imply(a, await it.role('admin'))).status, 403)
  assert.equal((await imply(a, 'nothing')).status, 404)
  await it.user('circular', `projects/${demo}`, 'b')
  assert.deepEqual(await rolesFor('circular', { project: { id: demo } }), ['a', 'b', 'c'])
  const shown = await it.admin.call('GET', `/v3/roles/${a}/implies`)
  const { role_inference: inference } = shown.body as {
    role_inference: { prior_role: { name: string }; implies: { name: string }[] }
  }
  assert.deepEqual([inference.prior_role.name, inference.implies.map(({ name }) => name)], ['a', ['b']])
  assert.equal((await it.admin.call('HEAD', `/v3/roles/${a}/implies/${b}`)).status, 204)
  assert.equal((await it.admin.call('DELETE', `/v3/roles/${b}/implies/${c}`)).status, 204)
  assert.equal((await it.admin.call('HEAD', `/v3/roles/${b}/implies/${c}`)).status, 404)
  assert.deepEqual(await rolesFor('circular', { project: { id: demo } }), ['b'])
})

test('a role of a domain is given there only, and counts by what it implies', async () => {
  const domain = await it.make('domains', 'domain', { name: 'own-roles' })
  const project = await it.make('projects', 'project', { name: 'own', domain_id: domain })
  const local = await it.make('roles', 'role', { name: 'reader', domain_id: domain })
  await it.admin.call('PUT', `/v3/roles/${local}/implies/${await it.role('reader')}`)
  const user = await it.user('local-reader')
  const give = (target: string) => it.admin.call('PUT', `/v3/projects/${target}/users/${user}/roles/${local}`)
  assert.deepEqual([(await give(project)).status, (await give(demo)).status], [204, 403])
  assert.deepEqual(await rolesFor('local-reader', { project: { id: project } }), ['reader'])
  assert.ok(!namesIn(await it.admin.call('GET', '/v3/roles'), 'roles').includes('own'))
  assert.deepEqual(namesIn(await it.admin.call('GET', `/v3/roles?domain_id=${domain}`), 'roles'), ['reader'])
})

test('the system has readers and administrators of its own', async () => {
  const user = await it.user('overseer')
  await it.admin.call('PUT', `/v3/system/users/${user}/roles/${await it.role('reader')}`)
  const overseer = await it.as('overseer', { system: { all: true } })
  for (const path of [
    'users',
    'projects',
    'domains',
    'roles',
    'services',
    'endpoints',
    'role_assignments',
    `users/${user}`,
  ])
    assert.equal((await overseer('GET', `/v3/${path}`)).status, 200, path)
  assert.ok(namesIn(await overseer('GET', '/v3/users'), 'users').includes('admin'))
  assert.equal((await overseer('POST', '/v3/projects', { project: { name: 'x' } })).status, 403)
  assert.equal((await overseer('DELETE', `/v3/users/${user}`)).status, 403)
  assert.deepEqual((await overseer('GET', '/v3/auth/system')).body, {
    system: [{ all: true }],
    links: { next: null, previous: null, self: `${it.identity.url}/v3/auth/system` },
  })
  await it.admin.call('PUT', `/v3/system/users/${user}/roles/${await it.role('admin')}`)
  const root = await it.as('overseer', { system: { all: true } })
  assert.equal((await root('POST', '/v3/projects', { project: { name: 'by-system' } })).status, 201)
})

test('a domain’s manager rules there and nowhere else, and makes nobody admin', async () => {
  const domain = await it.make('domains', 'domain', { name: 'managed' })
  const project = await it.make('projects', 'project', { name: 'managed', domain_id: domain })
  const boss = await it.user('boss')
  for (const role of ['manager', 'admin']) {
    const given = `/v3/domains/${domain}/users/${boss}/roles/${await it.role(role)}`
    await it.admin.call('PUT', given)
    const call = await it.as('boss', { domain: { id: domain } })
    const status = async (...request: Parameters<typeof call>) => (await call(...request)).status
    const made = await call('POST', '/v3/users', { user: { name: `worker-of-${role}`, password: 'x' } })
    assert.equal(made.status, 201, words(made.status === 201 ? { ...made, body: { error: { message: '' } } } : made))
    const worker = (made.body as { user: { id: string; domain_id: string } }).user
    assert.equal(worker.domain_id, domain)
    assert.ok(namesIn(await call('GET', '/v3/users'), 'users').every((name) => name.startsWith('worker')))
    assert.deepEqual(namesIn(await call('GET', '/v3/projects'), 'projects'), ['managed'])
    assert.ok(namesIn(await call('GET', '/v3/roles'), 'roles').includes('member'))
    const on = `/v3/projects/${project}/users/${worker.id}/roles`
    assert.equal(await status('PUT', `${on}/${await it.role('member')}`), 204)
    assert.equal((await call('GET', `/v3/role_assignments?scope.project.id=${project}`)).status, 200)
    const refused: readonly (readonly [Parameters<typeof call>[0], string, unknown?])[] = [
      ['PUT', `${on}/${await it.role('admin')}`],
      ['PUT', `/v3/projects/${demo}/users/${worker.id}/roles/${await it.role('member')}`],
      ['PUT', `/v3/projects/${project}/users/${boss}/roles/${await it.role('member')}`],
      ['PUT', `/v3/system/users/${worker.id}/roles/${await it.role('reader')}`],
      ['POST', '/v3/users', { user: { name: 'x', domain_id: 'default' } }],
      ['POST', '/v3/domains', { domain: { name: 'x' } }],
      ['POST', '/v3/roles', { role: { name: 'x' } }],
      ['POST', '/v3/services', { service: { type: 'x' } }],
      ['PATCH', `/v3/users/${boss}`, { user: { name: 'x' } }],
      ['PATCH', `/v3/domains/${domain}`, { domain: { name: 'x' } }],
      ['DELETE', `/v3/projects/${demo}`],
      ['GET', '/v3/services'],
    ]
    for (const request of refused) assert.equal(await status(...request), 403, request.slice(0, 2).join(' '))
    await it.admin.call('DELETE', given)
  }
})

test('a member sees themselves and theirs; what is another’s is a 403, be it there or not', async () => {
  const id = await it.user('nobody-special', `projects/${demo}`, 'member')
  const call = await it.as('nobody-special', { project: { id: demo } })
  for (const path of [
    `users/${id}`,
    `users/${id}/projects`,
    `users/${id}/groups`,
    `projects/${demo}`,
    'regions',
    'domains/default',
  ])
    assert.equal((await call('GET', `/v3/${path}`)).status, 200, path)
  const other = it.projects['other']
  for (const path of [
    'users',
    'projects',
    'groups',
    'roles',
    'services',
    'endpoints',
    'role_assignments',
    'role_inferences',
    'users/none',
    'projects/none',
    `projects/${other}`,
    `projects/${other}/tags`,
    `projects/${other}/users/${id}/roles`,
    'kilonova/revocations',
  ])
    assert.equal((await call('GET', `/v3/${path}`)).status, 403, path)
  for (const path of ['users', 'projects', 'groups', 'roles', 'domains', 'services', 'endpoints', 'regions'])
    assert.equal((await call('POST', `/v3/${path}`, {})).status, 403, path)
})
