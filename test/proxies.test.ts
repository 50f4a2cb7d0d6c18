/** The Compute API's proxies of old against real identity, image and network services: what one writes, the other shows. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { exchange, type HttpAnswer } from '@kilonova/base/http/client.ts'
import { oneCloud, until, type OneCloud, type Person } from './one-cloud.ts'

let stateDir = ''
let cloud: OneCloud
let demo: Person
let admin: Person

before(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'kilonova-proxies-'))
  cloud = await oneCloud(stateDir)
  demo = await cloud.logIn('demo')
  admin = await cloud.logIn('admin')
})
after(async () => {
  await cloud.close()
  await rm(stateDir, { recursive: true, force: true })
})

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'
const call = (method: Method, path: string, json?: unknown, { token } = demo, version = '2.35'): Promise<HttpAnswer> =>
  exchange({
    method,
    url: `${cloud.urls['compute']}/v2.1${path}`,
    headers: { 'x-auth-token': token, 'openstack-api-version': `compute ${version}` },
    ...(json === undefined ? {} : { json }),
  })
const under = async <T>(key: string, asked: Promise<HttpAnswer>, status = 200): Promise<T> => {
  const answer = await asked
  assert.equal(answer.status, status, JSON.stringify(answer.body))
  return (answer.body as Record<string, T>)[key] as T
}
interface Named {
  readonly id: string
  readonly name: string
}
const direct = async (service: 'image' | 'network', path: string): Promise<Record<string, unknown>> =>
  (await exchange({ method: 'GET', url: `${cloud.urls[service]}${path}`, headers: { 'x-auth-token': demo.token } }))
    .body as Record<string, unknown>

/** A floating IP needs a way to the network it is for. */
async function routed(): Promise<void> {
  const ask = async (method: Method, path: string, json?: unknown): Promise<Record<string, unknown>> =>
    (
      await exchange({
        method,
        url: `${cloud.urls['network']}/v2.0${path}`,
        headers: { 'x-auth-token': admin.token },
        ...(json === undefined ? {} : { json }),
      })
    ).body as Record<string, unknown>
  const { networks } = await ask('GET', '/networks')
  const all = networks as (Named & { 'router:external': boolean; subnets: string[] })[]
  const outside = all.find((each) => each['router:external'])
  const inside = all.find(({ name }) => name === 'private')
  const router = { external_gateway_info: { network_id: outside?.id } }
  const { id } = (await ask('POST', '/routers', { router }))['router'] as Named
  await ask('PUT', `/routers/${id}/add_router_interface`, { subnet_id: inside?.subnets[0] })
}

test('security groups, rules and networks are those of the network service', async () => {
  const body = { security_group: { name: 'proxied', description: 'd' } }
  const { id } = await under<Named>('security_group', call('POST', '/os-security-groups', body))
  const asked = { parent_group_id: id, ip_protocol: 'tcp', from_port: 80, to_port: 81, cidr: '192.0.2.0/24' }
  const rule = await under<Named>(
    'security_group_rule',
    call('POST', '/os-security-group-rules', { security_group_rule: asked }),
  )
  const ofService = (await direct('network', `/v2.0/security-group-rules/${rule.id}`))['security_group_rule']
  const { direction, port_range_max: last, remote_ip_prefix: prefix } = ofService as Record<string, unknown>
  assert.deepEqual([direction, last, prefix], ['ingress', 81, '192.0.2.0/24'])
  assert.equal((await call('POST', '/os-security-group-rules', { security_group_rule: asked })).status, 400)
  assert.equal((await call('DELETE', `/os-security-group-rules/${rule.id}`)).status, 202)
  assert.equal((await call('DELETE', `/os-security-groups/${id}`)).status, 202)
  assert.equal((await call('GET', `/os-security-groups/${id}`)).status, 404)
  const labels = (await under<{ label: string }[]>('networks', call('GET', '/os-networks'))).map(({ label }) => label)
  assert.ok(labels.includes('private'), labels.join())
})

test(
  'a server gets a group, a floating IP and another address, all over the Compute API',
  { timeout: 60_000 },
  async () => {
    const images = await under<Named[]>('images', call('GET', '/images'))
    const networks = await under<{ id: string; label: string }[]>('networks', call('GET', '/os-networks'))
    const server = {
      name: 'proxied',
      flavorRef: '42',
      imageRef: images.find(({ name }) => name === 'demo')?.id,
      networks: [{ uuid: networks.find(({ label }) => label === 'private')?.id }],
    }
    const { id } = await under<Named>('server', call('POST', '/servers', { server }), 202)
    const show = () => call('GET', `/servers/${id}`)
    const of = (answer: HttpAnswer) => (answer.body as { server: { status: string; addresses: object } }).server
    await until(show, (answer) => of(answer).status !== 'BUILD')
    const act = async (json: object, who = demo): Promise<HttpAnswer> => {
      const answer = await call('POST', `/servers/${id}/action`, json, who)
      assert.equal(answer.status, 202, JSON.stringify(answer.body))
      return answer
    }
    const addresses = async () => (Object.values(of(await show()).addresses) as { addr: string }[][]).flat()

    await under(
      'security_group',
      call('POST', '/os-security-groups', { security_group: { name: 'web', description: '' } }),
    )
    await act({ addSecurityGroup: { name: 'web' } })
    const groups = await under<Named[]>('security_groups', call('GET', `/servers/${id}/os-security-groups`))
    assert.deepEqual(groups.map(({ name }) => name).toSorted(), ['default', 'web'])
    await act({ removeSecurityGroup: { name: 'web' } })

    await routed()
    const pools = await under<{ name: string }[]>('floating_ip_pools', call('GET', '/os-floating-ip-pools'))
    const [pool] = pools
    assert.ok(pool, 'there is an external network')
    const floating = await under<{ id: string; ip: string }>(
      'floating_ip',
      call('POST', '/os-floating-ips', { pool: pool.name }),
    )
    await act({ addFloatingIp: { address: floating.ip } })
    const shown = await under<{ instance_id: string }>('floating_ip', call('GET', `/os-floating-ips/${floating.id}`))
    assert.equal(shown.instance_id, id)
    await until(show, (answer) => JSON.stringify(of(answer).addresses).includes(floating.ip))
    await act({ removeFloatingIp: { address: floating.ip } })
    assert.equal((await call('DELETE', `/os-floating-ips/${floating.id}`)).status, 202)
    await until(show, (answer) => !JSON.stringify(of(answer).addresses).includes(floating.ip))

    // On a network that is shared only its owner and administrators say which addresses a port has.
    await act({ addFixedIp: { networkId: server.networks[0]?.uuid } }, admin)
    const [, second] = await addresses()
    assert.ok(second)
    await act({ removeFixedIp: { address: second.addr } }, admin)
    assert.equal((await addresses()).length, 1)
  },
)

test('properties of an image are written where the image service keeps them', async () => {
  const images = await under<Named[]>('images', call('GET', '/images?name=demo', undefined, admin))
  const id = images[0]?.id ?? ''
  const path = `/images/${id}/metadata`
  await under('metadata', call('POST', path, { metadata: { 'a.b:c': 'x', colour: 'red' } }, admin))
  const image = await direct('image', `/v2/images/${id}`)
  assert.deepEqual([image['a.b:c'], image['colour']], ['x', 'red'])
  for (const key of ['colour', 'a.b:c'])
    assert.equal((await call('DELETE', `${path}/${key}`, undefined, admin)).status, 204)
  assert.equal((await direct('image', `/v2/images/${id}`))['colour'], undefined)
  assert.equal((await call('POST', path, { metadata: { colour: 'red' } })).status, 403, 'it is not demo’s')
})

test('quotas are set for projects that the identity service knows', async () => {
  const unknown = await call('GET', '/os-quota-sets/none', undefined, admin)
  assert.equal(unknown.status, 400, JSON.stringify(unknown.body))
  const { tenant_id: project } = (
    await under<{ tenant_id: string }[]>('security_groups', call('GET', '/os-security-groups'))
  )[0] ?? { tenant_id: '' }
  const set = await under<{ key_pairs: number }>(
    'quota_set',
    call('PUT', `/os-quota-sets/${project}`, { quota_set: { key_pairs: 7 } }, admin),
  )
  assert.equal(set.key_pairs, 7)
  assert.equal((await under<{ key_pairs: number }>('quota_set', call('GET', `/os-quota-sets/${project}`))).key_pairs, 7)
})
