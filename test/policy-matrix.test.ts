/** Who may what: every operation and every action of the API, called by everybody there can be, against a table that knows nothing of our rules. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { cloud, ADMIN_PROJECT, at, OTHER_PROJECT, PROJECT, type Cloud } from '@kilonova/kilonova/api/testing/cloud.ts'
import type { AnyOperation } from '@kilonova/kilonova/api/resource.ts'
import { OPERATIONS } from '@kilonova/kilonova/api/resources/index.ts'
import { ACTION_ENDS, ACTION_KEYS } from '@kilonova/kilonova/api/resources/server-action.ts'
import { attaches } from '@kilonova/kilonova/api/testing/attaching.ts'
import { hostAnswers } from '@kilonova/kilonova/api/testing/host.ts'
import { IMAGE_CACHING } from '@kilonova/kilonova/rpc/conductor.ts'
import {
  ACTIONS_EXPECTED,
  OF_PROJECT,
  OPERATIONS_EXPECTED,
  OWNED,
  REMOVED_EXPECTED,
  type Expectation,
  type Least,
} from './policy-matrix/expectations.ts'
import { ACTION_RECIPES } from './policy-matrix/action-recipes.ts'
import { OPERATION_RECIPES } from './policy-matrix/recipes.ts'
import { aServer, type Call, type World } from './policy-matrix/things.ts'

interface Person {
  readonly as: string
  readonly project: string
  readonly roles: readonly string[]
}
/** With the roles that the identity service says are implied. */
const ROLES: Readonly<Record<string, readonly string[]>> = {
  stranger: ['auditor'],
  reader: ['reader'],
  member: ['member', 'reader'],
  manager: ['manager', 'member', 'reader'],
  admin: ['admin', 'manager', 'member', 'reader'],
}
const NOBODY: Person = { as: '', project: '', roles: [] }
const PEOPLE: readonly Person[] = [
  NOBODY,
  ...Object.entries(ROLES).map(([role, roles]) => ({ as: `own-${role}`, project: PROJECT, roles })),
  ...Object.entries(ROLES).map(([role, roles]) => ({ as: `other-${role}`, project: OTHER_PROJECT, roles })),
  { as: 'the-service', project: ADMIN_PROJECT, roles: ['service'] },
]

const LAST = '2.103'

async function world(t: TestContext, rules: Readonly<Record<string, string>> = {}): Promise<Cloud> {
  const plenty = { instances: -1, cores: -1, ram: -1, server_groups: -1, key_pairs: -1 }
  const it = await cloud(t, { quota: plenty }, rules)
  for (const { as, project, roles } of PEOPLE)
    if (as !== '')
      it.identities.set(as, {
        userId: `user-${as}`,
        userName: as,
        projectId: project,
        projectName: project,
        domainId: 'default',
        roles,
        expiresAt: it.clock.now() + 3600_000,
      })
  hostAnswers(t, it)
  attaches(it)
  t.after(it.bus.serve(IMAGE_CACHING, async () => null))
  return it
}

const GONE = 410
function expected([least, success]: Expectation, { as, project, roles }: Person, path: string): number {
  if (as === '') return 401
  if (success === GONE) return GONE
  if (roles.includes('admin')) return success
  const below = (prefixes: readonly string[]) => prefixes.some((prefix) => path.startsWith(prefix))
  if (below(OWNED) && project !== PROJECT) return 404
  if (below(OF_PROJECT) && least !== 'any' && project !== PROJECT) return 403
  const enough: Readonly<Record<Least, boolean>> = {
    any: true,
    owner: true,
    reader: roles.includes('reader'),
    member: roles.includes('member'),
    manager: roles.includes('manager'),
    admin: false,
    service: roles.includes('service'),
  }
  return enough[least] ? success : 403
}

/** All that is kept, to see that a refused call changed nothing. */
async function everything({ db }: Cloud): Promise<string> {
  const tables = await db.introspection.getTables()
  const rows = await Promise.all(
    tables.map(
      async ({ name }) =>
        [
          name,
          await db
            .selectFrom(name as 'servers')
            .selectAll()
            .execute(),
        ] as const,
    ),
  )
  return JSON.stringify(rows)
}

interface Case {
  readonly name: string
  readonly method: AnyOperation['method']
  readonly path: string
  readonly version: string
  readonly expectation: Expectation
  call(world: World): Promise<Call> | Call
}

let number = 0
/** Those that are refused come first and share what is named; whoever succeeds gets something new, when it may change. */
async function prove(it: Cloud, { name, method, path, version, expectation, call }: Case): Promise<readonly string[]> {
  const told = PEOPLE.map((person) => ({ person, wanted: expected(expectation, person, path) }))
  const refused = told.filter(({ wanted }) => wanted >= 400)
  const wrong: string[] = []
  const ask = async ({ person, wanted }: (typeof told)[number], { names = [], json, search }: Call): Promise<void> => {
    const rest = [...names]
    const { as, project } = person
    const asked = path.replaceAll('{}', () => rest.shift() ?? 'none') + (search?.(project) ?? '')
    const answer = await it.call(method, asked, { as, version, ...(json === undefined ? {} : { json }) })
    if (answer.status !== wanted)
      wrong.push(`${name} as ${as || 'nobody'}: ${answer.status} instead of ${wanted} ${JSON.stringify(answer.body)}`)
  }
  const prepare = (as: string) => call({ it, as: as || 'own-member', number: (number += 1) })
  const shared = await prepare('own-member')
  const before = method === 'GET' ? '' : await everything(it)
  await Promise.all(refused.map((each) => ask(each, shared)))
  if (method !== 'GET' && (await everything(it)) !== before) wrong.push(`${name}: a refused call changed something`)
  for (const each of told)
    if (each.wanted < 400)
      await ask(each, method === 'GET' && expectation[0] !== 'owner' ? shared : await prepare(each.person.as))
  return wrong
}

const general = (path: string): string => path.replaceAll(/:\w+/g, '{}')

test('every operation answers everybody as the table says', { timeout: 150_000 }, async (t) => {
  const it = await world(t)
  const wrong: string[] = []
  for (const { method, path, until = LAST } of OPERATIONS) {
    const name = `${method} ${general(path)}`
    if (name.endsWith('/action') && ACTIONS_EXPECTED[general(path)]) continue
    const removed = REMOVED_EXPECTED.includes(name)
    const expectation: Expectation | undefined = removed ? ['any', GONE] : OPERATIONS_EXPECTED[name]
    const call = OPERATION_RECIPES[name] ?? (/[{]|^P/.test(name) && !removed ? undefined : () => ({}))
    if (!expectation) wrong.push(`${name} is not in test/policy-matrix/expectations.ts: say who may`)
    else if (!call) wrong.push(`${name} is not in test/policy-matrix/recipes.ts: say how it is called`)
    else wrong.push(...(await prove(it, { name, method, path: general(path), version: until, expectation, call })))
  }
  assert.deepEqual(wrong, [])
})

test('every action answers everybody as the table says', { timeout: 150_000 }, async (t) => {
  const it = await world(t)
  const wrong: string[] = []
  for (const [path, expectations] of Object.entries(ACTIONS_EXPECTED)) {
    const recipes = ACTION_RECIPES[path] ?? {}
    for (const key of path.startsWith('/servers') ? ACTION_KEYS : Object.keys(recipes)) {
      const [expectation, recipe] = [expectations[key], recipes[key]]
      if (!expectation) wrong.push(`${path} ${key} is not in test/policy-matrix/expectations.ts: say who may`)
      else if (!recipe) wrong.push(`${path} ${key} is not in test/policy-matrix/recipes.ts: say how it is called`)
      else {
        const call = async (world: World) => {
          const { json, ...more } = await recipe(world)
          return { ...more, json: { [key]: json } }
        }
        const name = `${path} ${key}`
        wrong.push(
          ...(await prove(it, { name, method: 'POST', path, version: ACTION_ENDS[key] ?? LAST, expectation, call })),
        )
      }
    }
  }
  assert.deepEqual(wrong, [])
})

test('a rule that is too wide or too narrow turns this red', async (t) => {
  const name = 'PUT /servers/{}'
  const [expectation, call] = [OPERATIONS_EXPECTED[name], OPERATION_RECIPES[name]]
  assert.ok(expectation && call)
  const told = async (rule: string) => {
    const it = await world(t, { 'os_compute_api:servers:update': rule })
    const wrong = await prove(it, { name, method: 'PUT', path: '/servers/{}', version: LAST, expectation, call })
    return wrong.map((line) => line.replace(/ \{.*/, ''))
  }
  assert.deepEqual(await told('rule:project_reader_or_admin'), [
    `${name} as own-reader: 200 instead of 403`,
    `${name}: a refused call changed something`,
  ])
  assert.deepEqual(await told('rule:project_manager_or_admin'), [`${name} as own-member: 403 instead of 200`])
  assert.deepEqual(await told('rule:project_member_or_admin'), [])
})

test('no list tells anybody of another project, whatever is asked for', async (t) => {
  const it = await world(t)
  const id = await aServer({ it })
  const json = { server_group: { name: 'g', policy: 'anti-affinity' } }
  const group = String(at(await it.call('POST', '/os-server-groups', { json, version: '2.64' }), 'server_group', 'id'))
  const others = PEOPLE.filter(({ project, roles }) => project !== PROJECT && !roles.includes('admin'))
  for (const { as } of others)
    for (const path of [
      '/servers',
      '/servers/detail',
      `/servers?project_id=${PROJECT}`,
      `/servers/detail?tenant_id=${PROJECT}`,
      `/servers?uuid=${id}`,
      '/servers?host=host1',
      '/servers?all_tenants=0',
      '/servers?all_tenants=1',
      '/servers/detail?all_tenants=True',
      '/servers?deleted=true',
      '/servers/detail?name=.*',
      `/servers?marker=${id}`,
      '/os-server-groups',
      '/os-server-groups?all_projects=1',
    ])
      for (const version of ['2.1', '2.90']) {
        const answer = await it.call('GET', path, { as, version })
        const text = JSON.stringify(answer.body).replaceAll(/marker \[[^\]]*\]/g, '')
        assert.ok(!text.includes(id) && !text.includes(group), `${path} as ${as} at ${version}: ${text}`)
      }
})

test('within what a member may there are parts that only administrators may', async (t) => {
  const it = await world(t)
  const id = await aServer({ it })
  const image = [...it.images.keys()][0]
  const create = (more: object) => ({
    server: { name: 'n', flavorRef: '1', imageRef: image, networks: 'none', ...more },
  })
  for (const [method, path, json, admin] of [
    ['GET', '/servers?all_tenants=1', undefined, 200],
    ['GET', '/servers/detail?all_tenants=1', undefined, 200],
    ['GET', `/limits?tenant_id=${PROJECT}`, undefined, 200],
    ['GET', '/os-keypairs?user_id=alice', undefined, 200],
    ['POST', '/os-keypairs', { keypair: { name: 'x', user_id: 'alice', public_key: '' } }, 400],
    ['POST', '/servers', create({ availability_zone: 'nova:host1' }), 202],
    ['POST', '/servers', create({ host: 'host1' }), 202],
    ['POST', '/servers', create({ hypervisor_hostname: 'host1.example' }), 202],
  ] as const) {
    const call = (as: string) => it.call(method, path, { as, version: '2.90', ...(json === undefined ? {} : { json }) })
    assert.equal((await call('other-manager')).status, 403, `${method} ${path}`)
    assert.equal((await call('other-admin')).status, admin, `${method} ${path}`)
  }
  const shown = async (as: string) =>
    at(await it.call('GET', `/servers/${id}`, { as, version: '2.90' }), 'server') as object
  for (const as of ['own-reader', 'own-member', 'own-manager'])
    assert.deepEqual(
      Object.keys(await shown(as)).filter((key) => /OS-EXT-SRV-ATTR:(?!hostname$)|host_status/.test(key)),
      [],
      as,
    )
  assert.equal(((await shown('other-admin')) as Record<string, unknown>)['OS-EXT-SRV-ATTR:host'], 'host1')
  const specs = async (as: string) =>
    at(await it.call('GET', '/flavors/1', { as, version: '2.61' }), 'flavor', 'extra_specs')
  assert.deepEqual([await specs('own-stranger'), await specs('own-reader')], [undefined, {}])
})
