/** Secrets are planted in a whole cloud that logs all it can; calls succeed and fail; then they are looked for wherever somebody else could read them. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { exchange, type HttpAnswer, type HttpRequest } from '@kilonova/base/http/client.ts'
import { openLog } from '@kilonova/base/log.ts'
import type { Secrets } from '@kilonova/cloud/state-dir.ts'
import { oneCloud, until, type OneCloud } from './one-cloud.ts'
import { echoProxy, type EchoProxy, type Mood } from './secrets/echo-proxy.ts'
import { openFiles, ourProcesses, planted, secretsIn, secretsInLogs, type Secret } from './secrets/search.ts'

interface Heard {
  readonly who: string
  readonly what: string
  readonly text: string
}
interface Bench {
  readonly cloud: OneCloud
  readonly folder: string
  readonly proxies: Readonly<Record<'identity' | 'image' | 'network', EchoProxy>>
  readonly kept: Secrets
  /** Who was answered what. */
  readonly heard: Heard[]
  ask(who: string, request: HttpRequest): Promise<HttpAnswer>
}

const CONFIGURED = { proxies: planted('metadata proxy secret'), vendor: planted('vendor data password') }

async function bench(t: TestContext, json: boolean): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'kilonova-secrets-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const proxies = { identity: await echoProxy(), image: await echoProxy(), network: await echoProxy() }
  let kept: Secrets | undefined
  const cloud = await oneCloud(folder, { FAIL_AT: 'start/power' }, ['--debug'], {
    log: { level: 'debug', json },
    configured: (config, secrets) => {
      kept = secrets
      proxies.identity.target = config.keystone_authtoken.auth_url
      const offset = config.DEFAULT.osapi_compute_listen_port - 8774
      proxies.image.target = `http://127.0.0.1:${9292 + offset}`
      proxies.network.target = `http://127.0.0.1:${9696 + offset}`
      return {
        ...config,
        keystone_authtoken: { ...config.keystone_authtoken, auth_url: proxies.identity.url },
        glance: { ...config.glance, endpoint_override: proxies.image.url },
        neutron: {
          ...config.neutron,
          endpoint_override: proxies.network.url,
          service_metadata_proxy: true,
          metadata_proxy_shared_secret: CONFIGURED.proxies.value,
        },
        vendordata_dynamic_auth: { ...config.vendordata_dynamic_auth, password: CONFIGURED.vendor.value },
      }
    },
  })
  t.after(async () => {
    for (const proxy of Object.values(proxies)) proxy.mood = 'pass'
    await cloud.close()
    for (const proxy of Object.values(proxies)) proxy.close()
  })
  assert.ok(kept)
  const heard: Heard[] = []
  const ask = async (who: string, request: HttpRequest) => {
    const answer = await exchange(request)
    const text = JSON.stringify([answer.headers, answer.body])
    heard.push({ who, what: `${request.method} ${request.url} ${answer.status}`, text })
    return answer
  }
  return { cloud, folder, proxies, kept, heard, ask }
}

const domain = { id: 'default' }
const login = (user: object, scope?: object) => ({
  auth: { identity: { methods: ['password'], password: { user: { domain, ...user } } }, ...(scope ? { scope } : {}) },
})

/** Uses the cloud well and badly, and answers what must not be told to anybody else. */
async function use({ cloud, proxies, kept, ask }: Bench): Promise<{ secrets: readonly Secret[]; userData: Secret }> {
  const { compute = '', identity = '', image = '', network = '', metadata = '' } = cloud.urls
  const secrets: Secret[] = [
    CONFIGURED.proxies,
    CONFIGURED.vendor,
    ...Object.entries(kept)
      .filter(([name]) => /Password|Secret/.test(name))
      .map(([name, value]) => ({ name, value: String(value) })),
  ]
  const keep = (name: string): string => {
    const secret = planted(name)
    secrets.push(secret)
    return secret.value
  }
  const tokenOf = async (name: 'demo' | 'admin'): Promise<string> => {
    const scope = { project: { name, domain } }
    const json = login({ name, password: kept[`${name}Password`] }, scope)
    const answer = await ask(name, { method: 'POST', url: `${identity}/v3/auth/tokens`, json })
    const value = String(answer.headers['x-subject-token'])
    secrets.push({ name: `token of ${name}`, value })
    return value
  }
  const tokens = { demo: await tokenOf('demo'), admin: await tokenOf('admin') }
  type Who = keyof typeof tokens
  const at =
    (root: string) =>
    (who: Who, method: HttpRequest['method'], path: string, json?: unknown, headers: Record<string, string> = {}) =>
      ask(who, {
        method,
        url: `${root}${path}`,
        headers: { 'x-auth-token': tokens[who], 'openstack-api-version': 'compute 2.90', ...headers },
        ...(json === undefined ? {} : { json }),
      })
  /** Asked again and again, and kept nowhere. */
  const peek = (path: string) =>
    exchange({ method: 'GET', url: `${compute}/v2.1${path}`, headers: { 'x-auth-token': tokens.demo } })
  const [nova, glance, neutron, keystone] = [at(`${compute}/v2.1`), at(image), at(network), at(`${identity}/v3`)]
  const list = async (answer: Promise<HttpAnswer>, key: string) =>
    ((await answer).body as Record<string, { id: string; name: string }[]>)[key] ?? []
  const imageId = (await list(glance('demo', 'GET', '/v2/images'), 'images')).find(({ name }) => name === 'demo')?.id
  const networkId = (await list(neutron('demo', 'GET', '/v2.0/networks'), 'networks')).find(
    ({ name }) => name === 'private',
  )?.id

  // What succeeds.
  const userData = planted('user data')
  const server = (more: object = {}) => ({
    server: {
      name: 'web',
      flavorRef: '42',
      imageRef: imageId,
      networks: [{ uuid: networkId }],
      adminPass: keep('adminPass'),
      user_data: Buffer.from(`#!/bin/sh\n: ${userData.value}\n`).toString('base64'),
      config_drive: true,
      ...more,
    },
  })
  const made = await nova('demo', 'POST', '/servers', server())
  assert.equal(made.status, 202, JSON.stringify(made.body))
  const { id } = (made.body as { server: { id: string } }).server
  const active = await until(
    () => peek(`/servers/${id}`),
    ({ body }) => (body as { server: { status: string } }).server.status === 'ACTIVE',
  )
  const projectId = (active.body as { server: { tenant_id: string } }).server.tenant_id
  const pair = await nova('demo', 'POST', '/os-keypairs', { keypair: { name: 'made-here', type: 'ssh' } })
  const pem = String((pair.body as { keypair: { private_key: string } }).keypair.private_key).split('\n')
  secrets.push({ name: 'private key', value: pem[5] ?? '' }, { name: 'private key end', value: pem.at(-3) ?? '' })
  const serial = { remote_console: { protocol: 'serial', type: 'serial' } }
  const shown = await nova('demo', 'POST', `/servers/${id}/remote-consoles`, serial)
  const consoleUrl = new URL((shown.body as { remote_console: { url: string } }).remote_console.url)
  const consoleToken = consoleUrl.searchParams.get('token') ?? ''
  secrets.push({ name: 'console token', value: consoleToken })
  assert.equal((await nova('admin', 'GET', `/os-console-auth-tokens/${consoleToken}`)).status, 200)
  for (const wrong of ['', keep('wrong console token')]) {
    const socket = new WebSocket(`${consoleUrl.href}${wrong}`)
    await new Promise((done) => socket.addEventListener(wrong === '' ? 'open' : 'error', done))
    socket.close()
  }
  const signed = (secret: string) => ({
    'x-instance-id': id,
    'x-tenant-id': projectId,
    'x-instance-id-signature': createHmac('sha256', secret).update(id).digest('hex'),
    'x-forwarded-for': '10.0.0.9',
  })
  const told = (headers: Record<string, string>, path: string) =>
    ask('guest', { method: 'GET', url: `${metadata}${path}`, headers })
  for (const secret of [CONFIGURED.proxies.value, kept.metadataSecret, 'guessed']) {
    const headers = signed(secret)
    secrets.push({ name: 'signature', value: headers['x-instance-id-signature'] })
    assert.equal((await told(headers, '/latest/user-data')).status, secret === 'guessed' ? 403 : 200)
    await told(headers, '/openstack/latest/meta_data.json')
  }

  // Identity: credentials of every kind, right and wrong.
  const me = (await keystone('demo', 'GET', '/auth/tokens', undefined, { 'x-subject-token': tokens.demo })).body as {
    token: { user: { id: string } }
  }
  const userPath = `/users/${me.token.user.id}`
  const credential = await keystone('demo', 'POST', `${userPath}/application_credentials`, {
    application_credential: { name: 'robot', secret: keep('application credential') },
  })
  assert.equal(credential.status, 201, JSON.stringify(credential.body))
  const auth = (secret: string) => ({
    auth: {
      identity: {
        methods: ['application_credential'],
        application_credential: { name: 'robot', user: { id: me.token.user.id }, secret },
      },
    },
  })
  await ask('demo', { method: 'POST', url: `${identity}/v3/auth/tokens`, json: auth(keep('wrong credential')) })
  await keystone('admin', 'POST', '/users', {
    user: { name: 'new', domain_id: 'default', password: keep('new password') },
  })
  await keystone('admin', 'POST', '/users', { user: { name: 'new', domain_id: 7, password: keep('refused password') } })
  await keystone('demo', 'POST', `${userPath}/password`, {
    user: { original_password: keep('wrong old password'), password: keep('next password') },
  })
  for (const user of [
    { name: 'demo', password: keep('misspelt password') },
    { name: keep('password as name'), password: 'x' },
    { name: 'demo', password: [keep('password in a list')] },
  ].filter(({ password }) => password !== 'x'))
    await ask('stranger', { method: 'POST', url: `${identity}/v3/auth/tokens`, json: login(user) })

  // What is refused, here and in the companions, at every door.
  const raw =
    (text: string, type = 'application/json') =>
    (root: string, path: string) =>
      fetch(`${root}${path}`, {
        method: 'POST',
        headers: { 'x-auth-token': tokens.demo, 'content-type': type },
        body: text,
      }).then((answer) => answer.text())
  for (const [root, path] of [
    [`${compute}/v2.1`, '/servers'],
    [identity, '/v3/auth/tokens'],
    [image, '/v2/images'],
    [network, '/v2.0/ports'],
  ] as const) {
    await raw(`{"adminPass": "${keep('broken body')}"`)(root, path)
    await raw(`<adminPass>${keep('body of another type')}</adminPass>`, 'application/xml')(root, path)
    await raw(JSON.stringify({ name: 7, [keep('key')]: keep('value') }))(root, path)
  }
  await nova('demo', 'POST', '/servers', server({ adminPass: keep('long').repeat(20) }))
  await nova('demo', 'POST', '/servers', server({ nothing: keep('unknown field') }))
  await nova('demo', 'POST', '/servers', server({ user_data: keep('no base64').replaceAll('-', '!') }))
  await nova('demo', 'POST', '/os-keypairs', { keypair: { name: 'bad', public_key: keep('no public key') } })
  await nova('demo', 'GET', `/servers?token=${keep('secret in a query')}`)
  for (const root of [`${compute}/v2.1/servers`, `${image}/v2/images`, `${network}/v2.0/ports`])
    await ask('stranger', { method: 'GET', url: root, headers: { 'x-auth-token': keep('wrong token') } })

  // Other services fail, and repeat what they were sent.
  await nova('demo', 'POST', `/servers/${id}/action`, { 'os-stop': null })
  const off = ({ body }: HttpAnswer) => (body as { server: { status: string } }).server.status === 'SHUTOFF'
  await until(() => peek(`/servers/${id}`), off)
  await nova('demo', 'POST', `/servers/${id}/action`, { 'os-start': null })
  const settle = async () => {
    const done = ({ body }: HttpAnswer) =>
      (body as { servers: { 'OS-EXT-STS:task_state': string | null }[] }).servers.every(
        (each) => each['OS-EXT-STS:task_state'] === null,
      )
    await until(() => peek('/servers/detail'), done)
  }
  const moods: readonly Mood[] = [400, 401, 403, 409, 500, 'cut', 'nonsense']
  for (const mood of moods) {
    for (const service of ['image', 'network'] as const) {
      proxies[service].mood = mood
      await nova('demo', 'POST', '/servers', server({ networks: 'none' }))
      await nova('demo', 'POST', '/servers', server({ security_groups: [{ name: 'web' }] }))
      await nova('demo', 'GET', `/servers/${id}/os-interface`)
      await nova('demo', 'GET', `/servers/${id}/os-security-groups`)
      await told(signed(kept.metadataSecret), '/openstack/latest/network_data.json')
      proxies[service].mood = 'pass'
    }
    proxies.identity.mood = mood
    await ask('stranger', {
      method: 'GET',
      url: `${compute}/v2.1/servers`,
      headers: { 'x-auth-token': keep('unknown token') },
    })
    await nova('demo', 'GET', '/servers')
    proxies.identity.mood = 'pass'
  }
  // A port fails to be made within a task.
  const ports = () => proxies.network.asked.filter((asked) => asked === 'POST /v2.0/ports').length
  const before = ports()
  assert.equal((await nova('demo', 'POST', '/servers', server())).status, 202)
  proxies.network.mood = 409
  while (ports() === before) await turn()
  proxies.network.mood = 'pass'
  await settle()

  // What others see of it then.
  const all = await list(nova('admin', 'GET', '/servers/detail?all_tenants=1'), 'servers')
  for (const each of all) {
    await nova('admin', 'GET', `/servers/${each.id}`)
    const actions = (await nova('admin', 'GET', `/servers/${each.id}/os-instance-actions`)).body as {
      instanceActions?: { request_id: string }[]
    }
    for (const { request_id: request } of actions.instanceActions ?? [])
      await nova('admin', 'GET', `/servers/${each.id}/os-instance-actions/${request}`)
  }
  for (const path of ['/os-services', '/os-hypervisors/detail', '/os-keypairs?user_id=' + me.token.user.id])
    await nova('admin', 'GET', path)
  await nova('admin', 'GET', `/os-keypairs/made-here?user_id=${me.token.user.id}`)
  await keystone('admin', 'GET', userPath)
  await keystone('admin', 'GET', '/users')
  await neutron('admin', 'GET', '/v2.0/ports')
  await glance('admin', 'GET', '/v2/images')
  for (const root of [compute, identity, image, network, metadata])
    await ask('stranger', { method: 'GET', url: `${root}/metrics` })
  for (const token of Object.values(proxies).flatMap((proxy) => [...proxy.tokens]))
    if (!secrets.some(({ value }) => value === token)) secrets.push({ name: 'a token', value: token })
  return { secrets, userData }
}

/** To whom an answer belongs that may have one of these: who sent it, or was given it. */
const OWNERS: readonly [RegExp, readonly string[]][] = [
  [
    /demo|adminPass|console token|private key|credential|body|key|value|long|field|base64|old password|next password/,
    ['demo'],
  ],
  [/admin/i, ['admin']],
  [/new password|refused password/, ['admin']],
  [/wrong token|unknown token|misspelt|in a list|as name/, ['stranger']],
]
const mayHear = (who: string, secret: string): boolean =>
  OWNERS.some(([names, owners]) => names.test(secret) && owners.includes(who))

/** The log is written while the cloud goes on: when what was asked last is there, everything before it is. */
async function lastLine({ cloud, ask }: Bench, logs: string): Promise<void> {
  const { value } = planted('the end')
  await ask('stranger', { method: 'GET', url: `${cloud.urls['compute']}/v2.1/${value}` })
  while (!readFileSync(join(logs, 'kilonova.log'), 'utf8').includes(value)) await turn()
}

for (const form of ['JSON', 'text'] as const)
  test(
    `no secret is in a log of ${form}, on a command line, or in an answer to somebody else`,
    { timeout: 120_000 },
    async (t) => {
      const it = await bench(t, form === 'JSON')
      const { secrets, userData } = await use(it)
      const logs = join(it.folder, 'log')
      await lastLine(it, logs)
      const everything = [...secrets, userData]
      assert.ok(secrets.length > 40 && secrets.every(({ value }) => value.length >= 16), 'nothing was planted')
      const text = readFileSync(join(logs, 'kilonova.log'), 'utf8')
      for (const phrase of ['request answered', 'request failed', 'step failed', 'it answered 500', 'wrong signature'])
        assert.ok(text.includes(phrase), `the log does not have "${phrase}"`)
      assert.deepEqual(secretsInLogs(logs, everything), [])
      for (const { pid, commandLine, environment } of ourProcesses())
        assert.deepEqual([pid, secretsIn(`${commandLine} ${environment}`, everything)], [pid, []])
      for (const path of openFiles(it.folder))
        assert.deepEqual([path, secretsIn(readFileSync(path, 'latin1'), everything)], [path, []])
      const told = it.heard.flatMap(({ who, what, text }) =>
        secretsIn(text, who === 'demo' || who === 'admin' || who === 'guest' ? secrets : everything)
          .filter((secret) => !mayHear(who, secret))
          .map((secret) => `${secret} told to ${who}: ${what} ${text.slice(0, 400)}`),
      )
      assert.deepEqual(told, [])

      // This finds what it looks for: a secret in a log, in each form.
      const [secret] = secrets
      assert.ok(secret)
      const log = openLog({ level: 'debug', json: form === 'JSON', file: join(logs, 'planted.log') })
      log.info('asked', { headers: { 'x-auth-token': secret.value } })
      log.debug('failed', { error: new Error('no', { cause: new Error(`with ${userData.value}`) }) })
      log.flush()
      assert.deepEqual(
        new Set(secretsInLogs(logs, everything).map((line) => line.split(' in ')[0])),
        new Set([secret.name, userData.name]),
      )
    },
  )
