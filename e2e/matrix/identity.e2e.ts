// The identity service as administrators and users work with it: the stock client, command by command, by names.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { systemClock } from '@kilonova/base/clock.ts'
import { openLog, type RootLog } from '@kilonova/base/log.ts'
import { writeCloudsYaml } from '@kilonova/cloud/clouds-yaml.ts'
import { startIdentity, type Identity } from '@kilonova/companions/identity/server.ts'
import { stockClient, type StockClient } from '../stock-client.ts'

const REGION = 'RegionOne'
/** Every secret of this test: none may be in the log. */
const secret = () => `s3cret-${randomBytes(9).toString('hex')}`
const SECRETS = {
  admin: secret(),
  demo: secret(),
  alice: secret(),
  manager: secret(),
  changed: secret(),
  wrong: secret(),
}

let folder = ''
let log: RootLog
let identity: Identity
let admin: StockClient
let demo: StockClient
/** The secret of an application credential that was made. */
let shownOnce = ''

/** The stock client as somebody else, told by its environment alone. */
function as(variables: Readonly<Record<string, string>>): StockClient {
  const common = { OS_AUTH_URL: `${identity.url}/v3`, OS_IDENTITY_API_VERSION: '3', OS_REGION_NAME: REGION }
  const set = Object.entries({ ...common, ...variables }).map(([name, value]) => `${name}=${value}`)
  return stockClient({ cloudsYaml: '/dev/null' }, 'kilonova', ['/usr/bin/env', '-u', 'OS_CLOUD', ...set])
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'identity-'))
  log = openLog({ level: 'debug', json: false, file: join(folder, 'identity.log') })
  identity = await startIdentity({
    host: '127.0.0.1',
    port: 0,
    databaseUrl: `sqlite:${join(folder, 'identity.sqlite')}`,
    log,
    clock: systemClock(),
    region: REGION,
    tokenLifetimeSeconds: 3600,
  })
  await identity.bootstrap({
    projects: [{ name: 'admin' }, { name: 'demo' }],
    users: [
      { name: 'admin', password: SECRETS.admin, defaultProject: 'admin' },
      { name: 'demo', password: SECRETS.demo, defaultProject: 'demo' },
    ],
    assignments: [
      { user: 'admin', project: 'admin', role: 'admin' },
      { user: 'demo', project: 'demo', role: 'member' },
    ],
    services: [{ type: 'identity', name: 'keystone', url: `${identity.url}/v3` }],
  })
  const cloudsYaml = join(folder, 'clouds.yaml')
  const entry = { authUrl: identity.url, project: 'demo' }
  writeCloudsYaml(cloudsYaml, REGION, [
    { ...entry, name: 'kilonova', username: 'demo', password: SECRETS.demo },
    { ...entry, name: 'kilonova-admin', username: 'admin', password: SECRETS.admin, project: 'admin' },
  ])
  admin = stockClient({ cloudsYaml }, 'kilonova-admin')
  demo = stockClient({ cloudsYaml })
})
after(async () => {
  await identity.close()
  rmSync(folder, { recursive: true, force: true })
})

type Row = Readonly<Record<string, unknown>>
const names = async (client: StockClient, ...command: readonly string[]): Promise<readonly string[]> =>
  (await client.json<Row[]>(...command)).map((row) => String(row['Name'])).toSorted()

test('domains: created, found again, listed, changed, shown', async () => {
  const made = await admin.json('domain', 'create', '--description', 'A company', 'corp')
  const again = await admin.json('domain', 'create', '--or-show', 'corp')
  assert.equal(again['id'], made['id'])
  await admin.run('domain', 'set', '--description', 'The company', 'corp')
  const [shown, listed] = await Promise.all([admin.json('domain', 'show', 'corp'), names(admin, 'domain', 'list')])
  assert.deepEqual([shown['description'], shown['enabled']], ['The company', true])
  assert.deepEqual(listed, ['Default', 'corp'])
  assert.match(await admin.refusal('domain', 'create', 'corp'), /HTTP 409/)
})

test('projects: a tree with tags and properties', async () => {
  const inCorp = ['--domain', 'corp']
  const top = await admin.json('project', 'create', ...inCorp, '--tag', 'red', '--property', 'cost=7', 'top')
  const below = await admin.json('project', 'create', ...inCorp, '--parent', 'top', 'below')
  assert.deepEqual([top['tags'], top['cost'], below['parent_id']], [['red'], '7', top['id']])
  assert.equal((await admin.json('project', 'create', ...inCorp, '--or-show', 'top'))['id'], top['id'])
  await admin.run('project', 'set', ...inCorp, '--description', 'Root', '--tag', 'green', 'top')
  const [family, listed, tagged, leaf] = await Promise.all([
    admin.json('project', 'show', ...inCorp, '--children', 'top'),
    names(admin, 'project', 'list', ...inCorp),
    names(admin, 'project', 'list', '--tags', 'red,green'),
    admin.refusal('project', 'delete', ...inCorp, 'top'),
  ])
  assert.deepEqual([family['description'], family['subtree']], ['Root', { [String(below['id'])]: null }])
  assert.deepEqual([listed, tagged], [['below', 'top'], ['top']])
  assert.match(leaf, /not a leaf/)
})

test('users and groups: created, changed, joined, listed', async () => {
  const inCorp = ['--domain', 'corp']
  const made = await admin.json(
    'user',
    'create',
    ...inCorp,
    '--project=top',
    '--project-domain=corp',
    '--email=a@example.org',
    `--password=${SECRETS.alice}`,
    '--ignore-lockout-failure-attempts',
    'alice',
  )
  assert.deepEqual(made['options'], { ignore_lockout_failure_attempts: true })
  await admin.run('user', 'create', ...inCorp, '--password', SECRETS.manager, 'boss')
  await admin.run('user', 'set', ...inCorp, '--email', 'alice@example.org', '--description', 'Alice', 'alice')
  await admin.run('group', 'create', ...inCorp, '--description', 'Those who work', 'staff')
  await admin.run('group', 'add', 'user', '--group-domain', 'corp', '--user-domain', 'corp', 'staff', 'alice')
  const [shown, users, groups, contains, memberOf, long] = await Promise.all([
    admin.json('user', 'show', ...inCorp, 'alice'),
    names(admin, 'user', 'list', ...inCorp, '--group', 'staff'),
    names(admin, 'group', 'list', ...inCorp),
    admin.run('group', 'contains', 'user', '--group-domain', 'corp', '--user-domain', 'corp', 'staff', 'alice'),
    names(admin, 'group', 'list', '--user', 'alice', '--user-domain', 'corp'),
    admin.json<Row[]>('user', 'list', ...inCorp, '--long'),
  ])
  assert.deepEqual([shown['email'], shown['description']], ['alice@example.org', 'Alice'])
  assert.deepEqual([users, groups, memberOf], [['alice'], ['staff'], ['staff']])
  assert.match(contains, /alice in group staff/)
  assert.deepEqual(
    long.map((row) => row['Enabled']),
    [true, true],
  )
})

test('roles: own ones, implied ones, and all the ways to give them', async () => {
  await admin.run('role', 'create', '--description', 'Looks', 'auditor')
  await admin.run('role', 'create', '--or-show', 'auditor')
  await admin.run('implied', 'role', 'create', 'auditor', '--implied-role', 'reader')
  const rules = await admin.json<Row[]>('implied', 'role', 'list')
  assert.ok(rules.some((row) => row['Prior Role Name'] === 'auditor' && row['Implied Role Name'] === 'reader'))
  const alice = ['--user', 'alice', '--user-domain', 'corp']
  const boss = ['--user', 'boss', '--user-domain', 'corp']
  await Promise.all([
    admin.run('role', 'add', ...alice, '--project', 'top', '--project-domain', 'corp', 'member'),
    admin.run('role', 'add', ...alice, '--system', 'all', 'reader'),
    admin.run(
      'role',
      'add',
      '--group',
      'staff',
      '--group-domain',
      'corp',
      '--domain',
      'corp',
      '--inherited',
      'auditor',
    ),
    admin.run('role', 'add', ...boss, '--domain', 'corp', 'manager'),
  ])
  const list = async (...more: readonly string[]) =>
    (await admin.json<Row[]>('role', 'assignment', 'list', '--names', ...more))
      .map((row) =>
        [row['Role'], row['Group'], row['Project'], row['Domain'], row['System'], row['Inherited']].join('|'),
      )
      .toSorted()
  const [made, effective, ofGroup] = await Promise.all([
    list(...alice),
    list(...alice, '--effective'),
    list('--group', 'staff', '--group-domain', 'corp'),
  ])
  assert.deepEqual(made, ['member||top@corp|||false', 'reader||||all|false'])
  assert.deepEqual(effective, [
    'auditor||below@corp|||true',
    'auditor||top@corp|||true',
    'member||top@corp|||false',
    'reader||below@corp|||true',
    'reader||top@corp|||false',
    'reader||||all|false',
  ])
  assert.deepEqual(ofGroup, ['auditor|staff@corp||corp||true'])
})

test('what a member of a project may see, and may not', async () => {
  const alice = as({
    OS_USERNAME: 'alice',
    OS_PASSWORD: SECRETS.alice,
    OS_USER_DOMAIN_NAME: 'corp',
    OS_PROJECT_NAME: 'below',
    OS_PROJECT_DOMAIN_NAME: 'corp',
  })
  const [token, mine, catalog, refused] = await Promise.all([
    alice.json('token', 'issue'),
    names(alice, 'project', 'list', '--my-projects'),
    alice.json<Row[]>('catalog', 'list'),
    alice.refusal('user', 'create', 'friend'),
  ])
  assert.ok(token['project_id'])
  assert.deepEqual(mine, ['below', 'top'])
  assert.deepEqual(
    catalog.map(({ Type }) => Type),
    ['identity'],
  )
  assert.match(refused, /identity:create_user.*HTTP 403/)
  const system = as({
    OS_USERNAME: 'alice',
    OS_PASSWORD: SECRETS.alice,
    OS_USER_DOMAIN_NAME: 'corp',
    OS_SYSTEM_SCOPE: 'all',
  })
  assert.deepEqual(await names(system, 'domain', 'list'), ['Default', 'corp'])
  assert.match(await system.refusal('domain', 'create', 'other'), /HTTP 403/)
})

test('the manager of a domain manages it, no other one, and gives nobody role admin', async () => {
  const boss = as({
    OS_USERNAME: 'boss',
    OS_PASSWORD: SECRETS.manager,
    OS_USER_DOMAIN_NAME: 'corp',
    OS_DOMAIN_NAME: 'corp',
  })
  await boss.run('user', 'create', '--password', SECRETS.changed, 'carol')
  assert.deepEqual(await names(boss, 'user', 'list'), ['alice', 'boss', 'carol'])
  const carol = await admin.json('user', 'show', '--domain', 'corp', 'carol')
  const target = ['--user', String(carol['id']), '--project', 'top', '--project-domain', 'corp']
  await boss.run('role', 'add', ...target, 'member')
  assert.match(await boss.refusal('role', 'add', ...target, 'admin'), /identity:create_grant.*HTTP 403/)
  const [demoId, demoProject] = await Promise.all([
    admin.value('id', 'user', 'show', 'demo'),
    admin.value('id', 'project', 'show', 'demo'),
  ])
  assert.match(await boss.refusal('user', 'set', '--description', 'x', demoId), /No user with a name or ID/)
  assert.match(
    await boss.refusal('role', 'add', '--user', String(carol['id']), '--project', demoProject, 'member'),
    /HTTP 403|No project with a name or ID/,
  )
})

test('services, regions, endpoints and the catalog', async () => {
  await admin.run('service', 'create', '--name', 'swift', '--description', 'Objects', 'object-store')
  await admin.run('region', 'create', '--description', 'The other', 'RegionTwo')
  await admin.run('region', 'set', '--description', 'The second', 'RegionTwo')
  const url = 'http://127.0.0.1:8080/v1/AUTH_%(project_id)s'
  const endpoint = await admin.json('endpoint', 'create', '--region', 'RegionTwo', 'object-store', 'public', url)
  const [shown, listed, regions, region, catalog] = await Promise.all([
    admin.json('service', 'show', 'swift'),
    admin.json<Row[]>('endpoint', 'list', '--service', 'swift', '--interface', 'public'),
    admin.json<Row[]>('region', 'list'),
    admin.json('region', 'show', 'RegionTwo'),
    demo.json('catalog', 'show', 'object-store'),
  ])
  assert.deepEqual([shown['type'], shown['description']], ['object-store', 'Objects'])
  assert.deepEqual(
    listed.map((row) => row['URL']),
    [url],
  )
  assert.deepEqual(
    regions.map((row) => row['Region']),
    ['RegionOne', 'RegionTwo'],
  )
  assert.equal(region['description'], 'The second')
  assert.match(JSON.stringify(catalog['endpoints']), /8080\/v1\/AUTH_[0-9a-f]{32}/)
  await admin.run('endpoint', 'set', '--url', 'http://127.0.0.1:8081', String(endpoint['id']))
  assert.match(await admin.refusal('region', 'delete', 'RegionTwo'), /HTTP 403/)
  await admin.run('service', 'set', '--disable', 'swift')
  assert.deepEqual(
    (await demo.json<Row[]>('catalog', 'list')).map(({ Type }) => Type),
    ['identity'],
  )
  await admin.run('endpoint', 'delete', String(endpoint['id']))
  await admin.run('service', 'delete', 'swift')
  await admin.run('region', 'delete', 'RegionTwo')
})

test('an application credential does what its roles allow, cannot make another one, and ends with its deletion', async () => {
  const create = ['application', 'credential', 'create']
  const made = await demo.json(...create, '--role', 'reader', '--expiration', '2099-01-01T00:00:00', 'robot')
  const shown = await demo.json('application', 'credential', 'show', 'robot')
  assert.deepEqual([shown['name'], shown['roles'], 'secret' in shown], ['robot', 'reader', false])
  const robot = as({
    OS_AUTH_TYPE: 'v3applicationcredential',
    OS_APPLICATION_CREDENTIAL_ID: String(made['id']),
    OS_APPLICATION_CREDENTIAL_SECRET: String(made['secret']),
  })
  assert.equal((await robot.json('token', 'issue'))['project_id'], made['project_id'])
  assert.match(await robot.refusal(...create, 'second'), /HTTP 403/)
  assert.match(await demo.refusal(...create, '--role', 'admin', 'too-much'), /HTTP 40[04]|No role/)
  assert.deepEqual(await names(demo, 'application', 'credential', 'list'), ['robot'])
  await demo.run('application', 'credential', 'delete', 'robot')
  assert.match(await robot.refusal('token', 'issue'), /HTTP 401/)
  shownOnce = String(made['secret'])
})

test('a user changes their password, and a token is revoked', async () => {
  await demo.run('user', 'password', 'set', '--original-password', SECRETS.demo, '--password', SECRETS.changed)
  assert.match(await demo.refusal('token', 'issue'), /HTTP 401/)
  const again = as({
    OS_USERNAME: 'demo',
    OS_PASSWORD: SECRETS.changed,
    OS_USER_DOMAIN_ID: 'default',
    OS_PROJECT_NAME: 'demo',
    OS_PROJECT_DOMAIN_ID: 'default',
  })
  const { id } = await again.json<{ id: string }>('token', 'issue')
  await again.run('token', 'revoke', id)
  const withToken = as({
    OS_AUTH_TYPE: 'v3token',
    OS_TOKEN: id,
    OS_PROJECT_NAME: 'demo',
    OS_PROJECT_DOMAIN_ID: 'default',
  })
  assert.match(await withToken.refusal('token', 'issue'), /HTTP 401/)
})

test('who guesses passwords is told to wait', async () => {
  const guesser = as({
    OS_USERNAME: 'boss',
    OS_PASSWORD: SECRETS.wrong,
    OS_USER_DOMAIN_NAME: 'corp',
    OS_DOMAIN_NAME: 'corp',
  })
  assert.match(await guesser.refusal('token', 'issue'), /HTTP 401/)
  const body = {
    auth: {
      identity: {
        methods: ['password'],
        password: { user: { name: 'boss', domain: { name: 'corp' }, password: SECRETS.wrong } },
      },
    },
  }
  for (let tries = 0; tries < 10; tries++)
    await fetch(`${identity.url}/v3/auth/tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }).then((answer) => answer.arrayBuffer())
  assert.match(await guesser.refusal('token', 'issue'), /Too many failed logins.*HTTP 429/)
})

test('everything is taken away again; a domain only after it was disabled', async () => {
  const inCorp = ['--domain', 'corp']
  const alice = ['--user', 'alice', '--user-domain', 'corp']
  await Promise.all([
    admin.run('role', 'remove', ...alice, '--project', 'top', '--project-domain', 'corp', 'member'),
    admin.run('group', 'remove', 'user', '--group-domain', 'corp', '--user-domain', 'corp', 'staff', 'alice'),
    admin.run('implied', 'role', 'delete', 'auditor', '--implied-role', 'reader'),
  ])
  await admin.run('project', 'delete', ...inCorp, 'below')
  await Promise.all([
    admin.run('project', 'delete', ...inCorp, 'top'),
    admin.run('user', 'delete', ...inCorp, 'carol'),
    admin.run('group', 'delete', ...inCorp, 'staff'),
    admin.run('role', 'delete', 'auditor'),
  ])
  assert.match(await admin.refusal('domain', 'delete', 'corp'), /disable it first/)
  await admin.run('domain', 'set', '--disable', 'corp')
  await admin.run('domain', 'delete', 'corp')
  const [domains, users, roles] = await Promise.all([
    names(admin, 'domain', 'list'),
    names(admin, 'user', 'list'),
    names(admin, 'role', 'list'),
  ])
  assert.deepEqual(domains, ['Default'])
  assert.deepEqual(users, ['admin', 'demo'])
  assert.deepEqual(roles, ['admin', 'manager', 'member', 'reader', 'service'])
})

test('the log tells who did what, and no secret', () => {
  log.flush()
  const text = readFileSync(join(folder, 'identity.log'), 'utf8')
  const events = new Set(
    [...text.matchAll(/ audit .*?event="?([a-z ]+?)"? outcome=(\w+)/g)].map(
      ([, event, outcome]) => `${event}: ${outcome}`,
    ),
  )
  for (const wanted of [
    'authenticate: success',
    'authenticate: failure',
    'create user: success',
    'give role: success',
    'change password: success',
    'revoke token: success',
    'create application credential: success',
    'delete domain: success',
  ])
    assert.ok(events.has(wanted), `${wanted} is not in the log, but ${[...events].join(', ')}`)
  for (const value of [...Object.values(SECRETS), shownOnce]) assert.ok(value !== '' && !text.includes(value))
})
