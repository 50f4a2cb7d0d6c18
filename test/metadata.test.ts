/** The metadata service of a whole cloud, with the network service's own proxy before it and services of the operator behind it. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { exchange } from '@kilonova/base/http/client.ts'
import { oneCloud, until, type Method, type OneCloud, type Person } from './one-cloud.ts'

const SECRET = 'shared with the proxies'
let stateDir = ''
let cloud: OneCloud
let demo: Person
let admin: Person
let id = ''
let projectId = ''
/** An identity service that knows one token, and a service that wants it. */
let operator: Server

before(async () => {
  operator = createServer((request, reply) => {
    request.resume()
    if (request.url === '/v3/auth/tokens') {
      const token = { expires_at: '2099-01-01T00:00:00Z', user: { id: 'u', name: 'nova' }, catalog: [] }
      reply.writeHead(201, { 'x-subject-token': 'vendor-token' }).end(JSON.stringify({ token }))
    } else if (request.headers['x-auth-token'] === 'vendor-token') reply.end('{"otp": "1234"}')
    else reply.writeHead(401).end()
  })
  await once(operator.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${(operator.address() as AddressInfo).port}`
  stateDir = await mkdtemp(join(tmpdir(), 'kilonova-metadata-'))
  const file = join(stateDir, 'kilonova.conf')
  await writeFile(
    file,
    `[api]
metadata_cache_expiration = 0
dhcp_domain = example.org
vendordata_providers = StaticJSON, DynamicJSON
vendordata_dynamic_targets = join@${url}/join
[vendordata_dynamic_auth]
auth_url = ${url}
[neutron]
service_metadata_proxy = true
metadata_proxy_shared_secret = ${SECRET}
`,
  )
  cloud = await oneCloud(stateDir, {}, ['--config', file])
  demo = await cloud.logIn('demo')
  admin = await cloud.logIn('admin')
  const [image] = (await ask('image', demo, 'GET', '/v2/images'))['images'] as { id: string }[]
  const [network] = (await ask('network', demo, 'GET', '/v2.0/networks?name=private'))['networks'] as { id: string }[]
  const personality = [{ path: '/etc/motd', contents: 'aGVsbG8=' }]
  const made = await exchange({
    method: 'POST',
    url: `${cloud.urls['compute']}/v2.1/servers`,
    // The last microversion that takes files.
    headers: { 'x-auth-token': demo.token, 'openstack-api-version': 'compute 2.56' },
    json: {
      server: { name: 'web', flavorRef: '42', imageRef: image?.id, networks: [{ uuid: network?.id }], personality },
    },
  })
  assert.equal(made.status, 202, JSON.stringify(made.body))
  ;({ id } = (made.body as { server: { id: string } }).server)
  const active = await until(
    () => demo.call('GET', `/servers/${id}`),
    ({ body }) => (body as { server: { status: string } }).server.status === 'ACTIVE',
  )
  projectId = (active.body as { server: { tenant_id: string } }).server.tenant_id
})
after(async () => {
  await cloud.close()
  operator.closeAllConnections()
  operator.close()
  await rm(stateDir, { recursive: true, force: true })
})

async function ask(
  service: 'image' | 'network',
  who: Person,
  method: Method,
  path: string,
  json?: object,
): Promise<Record<string, unknown>> {
  const headers = { 'x-auth-token': who.token }
  const answer = await exchange({ method, url: `${cloud.urls[service]}${path}`, headers, json })
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body as Record<string, unknown>
}

/** As Neutron's proxy asks for a guest. */
async function get(
  path: string,
  { secret = SECRET, project = projectId, server = id, method = 'GET', body = '' } = {},
) {
  const headers = {
    'x-instance-id': server,
    'x-tenant-id': project,
    'x-instance-id-signature': createHmac('sha256', secret).update(server).digest('hex'),
    'x-forwarded-for': '10.0.0.5',
  }
  const answer = await fetch(`${cloud.urls['metadata']}${path}`, {
    method,
    headers,
    ...(body === '' ? {} : { body }),
  })
  return { status: answer.status, text: await answer.text() }
}
const meta = async () => JSON.parse((await get('/openstack/latest/meta_data.json')).text) as Record<string, unknown>

test('a proxy of the network service is believed by its secret, for servers of the project that it names', async () => {
  assert.equal((await meta())['uuid'], id)
  assert.equal((await meta())['hostname'], 'web.example.org')
  assert.equal((await get('/latest', { secret: 'guessed' })).status, 403)
  assert.equal((await get('/latest', { secret: '' })).status, 403)
  assert.equal((await get('/latest', { project: 'another' })).status, 404)
  assert.equal((await get('/latest', { server: '11111111-2222-4333-8444-555555555555' })).status, 404)
})

test('files that came with the create request are told', async () => {
  assert.deepEqual((await meta())['files'], [{ path: '/etc/motd', content_path: '/content/0000' }])
  assert.deepEqual(await get('/openstack/content/0000'), { status: 200, text: 'hello' })
})

test('services of the operator are asked with a token of their own identity service', async () => {
  assert.deepEqual(JSON.parse((await get('/openstack/latest/vendor_data2.json')).text), {
    join: { otp: '1234' },
    static: {},
  })
})

test('what changes is told at once where nothing is kept', async () => {
  await demo.call('POST', `/servers/${id}/metadata`, { metadata: { role: 'db' } })
  assert.deepEqual((await meta())['meta'], { role: 'db' })
  await demo.call('PUT', `/servers/${id}`, { server: { name: 'database' } })
  assert.equal((await meta())['name'], 'database')
})

test('a password goes from the guest to its user', async () => {
  const path = '/openstack/latest/password'
  assert.equal((await get(path, { method: 'POST', body: 'c2VjcmV0' })).status, 200)
  assert.equal((await get(path, { method: 'POST', body: 'b3RoZXI=' })).status, 409)
  const { body } = await demo.call('GET', `/servers/${id}/os-server-password`)
  assert.deepEqual(body, { password: 'c2VjcmV0' })
})

test('a floating IP is the public address', async () => {
  assert.equal((await get('/latest/meta-data/public-ipv4')).text, '')
  const network = async (json: object) => await ask('network', admin, 'POST', `/v2.0/${Object.keys(json)[0]}s`, json)
  const { network: outside } = (await network({ network: { name: 'outside', 'router:external': true } })) as {
    network: { id: string }
  }
  await network({ subnet: { network_id: outside.id, ip_version: 4, cidr: '203.0.113.0/24', enable_dhcp: false } })
  const { router } = (await network({
    router: { name: 'out', external_gateway_info: { network_id: outside.id } },
  })) as { router: { id: string } }
  const [port] = (await ask('network', admin, 'GET', `/v2.0/ports?device_id=${id}`))['ports'] as {
    id: string
    fixed_ips: { subnet_id: string }[]
  }[]
  await ask('network', admin, 'PUT', `/v2.0/routers/${router.id}/add_router_interface`, {
    subnet_id: port?.fixed_ips[0]?.subnet_id,
  })
  const { floatingip } = (await network({
    floatingip: { floating_network_id: outside.id, port_id: port?.id },
  })) as { floatingip: { floating_ip_address: string } }
  assert.match(floatingip.floating_ip_address, /^203\.0\.113\.\d+$/)
  assert.equal((await get('/latest/meta-data/public-ipv4')).text, floatingip.floating_ip_address)
})

test('a server that is deleted is told nothing any more', async () => {
  await demo.call('DELETE', `/servers/${id}`)
  await until(
    () => demo.call('GET', `/servers/${id}`),
    ({ status }) => status === 404,
  )
  assert.equal((await get('/latest')).status, 404)
})
