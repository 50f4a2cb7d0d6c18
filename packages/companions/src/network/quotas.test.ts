/** Quotas over HTTP: what a project may have, and that no race gets it more. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { testNetwork, type Person, type TestNetwork } from '../test-cloud.ts'
import { block, get, list, make, refusal, remove, update } from './test-requests.ts'

let cloud: TestNetwork
let admin: Person
let demo: Person
let other: Person
before(async () => {
  cloud = await testNetwork()
  ;[admin, demo, other] = await Promise.all([cloud.person('admin'), cloud.person('demo'), cloud.person('other')])
})
after(() => cloud.close())

const DEFAULTS = {
  network: 100,
  subnet: 100,
  port: 500,
  router: 10,
  floatingip: 50,
  security_group: 10,
  security_group_rule: 100,
}
const limit = (project: Person, limits: object) => update(admin, `quotas/${project.projectId}`, limits)
const shown = async (person: Person, path: string) => ({ ...(await get(person, `quotas/${path}`)) })

test('a project reads its own limits, an admin everybody’s; only an admin changes them', async () => {
  assert.deepEqual(await shown(demo, demo.projectId), DEFAULTS)
  assert.deepEqual(await shown(demo, `${demo.projectId}/default`), DEFAULTS)
  assert.deepEqual((await demo.call('GET', '/v2.0/quotas/project')).body, { project: { project_id: demo.projectId } })
  assert.equal(await refusal(other, 'GET', `quotas/${demo.projectId}`), '403 PolicyNotAuthorized')
  assert.equal(await refusal(demo, 'PUT', `quotas/${demo.projectId}`, { network: -1 }), '403 PolicyNotAuthorized')
  assert.equal(await refusal(demo, 'DELETE', `quotas/${demo.projectId}`), '403 PolicyNotAuthorized')
  assert.equal(await refusal(demo, 'GET', 'quotas'), '403 PolicyNotAuthorized')
  assert.deepEqual(
    { ...(await limit(demo, { network: '7', floatingip: -1 })) },
    { ...DEFAULTS, network: 7, floatingip: -1 },
  )
  assert.deepEqual(
    (await list(admin, 'quotas')).map(({ project_id: id, network }) => [id, network]),
    [[demo.projectId, 7]],
  )
  for (const wrong of [{ network: -2 }, { network: 'many' }, { network: 2 ** 31 }])
    assert.equal(await refusal(admin, 'PUT', `quotas/${demo.projectId}`, wrong), '400 InvalidInput')
  assert.equal(await refusal(admin, 'PUT', `quotas/${demo.projectId}`, { trunk: 1 }), '400 HTTPBadRequest')
  await remove(admin, `quotas/${demo.projectId}`)
  assert.deepEqual(await shown(demo, demo.projectId), DEFAULTS)
})

test('details tell what is used; a limit is not set below that unless forced', async () => {
  const { network, subnet } = await block(demo, '10.0.0.0/24')
  await make(demo, 'ports', { network_id: network.id })
  const router = await make(demo, 'routers', {})
  const { status } = await demo.call('PUT', `/v2.0/routers/${router.id}/add_router_interface`, { subnet_id: subnet.id })
  assert.equal(status, 200)
  for (const path of ['details', 'details.json']) {
    const told = await get(demo, `quotas/${demo.projectId}/${path}`)
    assert.deepEqual(
      ['network', 'subnet', 'port', 'router', 'security_group', 'security_group_rule'].map((name) => told[name]),
      [1, 1, 2, 1, 1, 4].map((used, index) => ({
        limit: [100, 100, 500, 10, 10, 100][index],
        used,
        reserved: 0,
      })),
    )
  }
  assert.equal(await refusal(admin, 'PUT', `quotas/${demo.projectId}`, { port: 1 }), '400 HTTPBadRequest')
  await limit(demo, { port: 1, force: true })
  assert.equal(await refusal(demo, 'POST', 'ports', { network_id: network.id }), '409 OverQuota')
})

test('each thing has its limit', async () => {
  const outside = await block(admin, '172.24.4.0/24', { 'router:external': true })
  const network = await make(other, 'networks', {})
  const subnet = await make(other, 'subnets', { network_id: network.id, ip_version: 4, cidr: '10.0.0.0/24' })
  const router = await make(other, 'routers', {})
  const [group] = await list(other, 'security-groups')
  assert.ok(group)
  await limit(other, {
    network: 1,
    subnet: 1,
    port: 0,
    router: 1,
    floatingip: 0,
    security_group: 1,
    security_group_rule: 4,
  })
  for (const [path, fields] of [
    ['networks', {}],
    ['subnets', { network_id: network.id, ip_version: 4, cidr: '10.1.0.0/24' }],
    ['ports', { network_id: network.id }],
    ['routers', {}],
    ['floatingips', { floating_network_id: outside.network.id }],
    ['security-groups', { name: 'x' }],
    ['security-group-rules', { security_group_id: group.id, direction: 'ingress', protocol: 'tcp' }],
  ] as const)
    assert.equal(await refusal(other, 'POST', path, fields), '409 OverQuota', path)
  const wired = await other.call('PUT', `/v2.0/routers/${router.id}/add_router_interface`, { subnet_id: subnet.id })
  assert.match(JSON.stringify(wired), /OverQuota/)
  await make(admin, 'networks', {})
})

test('fifty race for the last ten', async () => {
  await limit(other, { network: 11 })
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => other.call('POST', '/v2.0/networks', { network: {} })),
  )
  assert.equal(answers.filter(({ status }) => status === 201).length, 10)
  assert.ok(answers.every(({ status, body }) => status === 201 || /OverQuota/.test(JSON.stringify(body))))
})

test('a bulk that does not fit makes none', async () => {
  const [network] = await list(demo, 'networks?router:external=false')
  await limit(demo, { port: 4 })
  const several = { ports: Array.from({ length: 3 }, () => ({ network_id: network?.id })) }
  assert.equal((await demo.call('POST', '/v2.0/ports', several)).status, 409)
  assert.equal((await list(demo, 'ports')).length, 2)
})
