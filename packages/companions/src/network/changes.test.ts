/** The feed of changes over HTTP: what hosts have to apply is told once, soon, and to services alone. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { testNetwork, type Person, type TestNetwork } from '../test-cloud.ts'
import { changeFeed } from './changes.ts'

let cloud: TestNetwork
let demo: Person
let service: Person
before(async () => {
  cloud = await testNetwork()
  ;[demo, service] = await Promise.all([cloud.person('demo'), cloud.person('kilonova')])
})
after(() => cloud.close())

interface Told {
  readonly cursor: string
  readonly all: boolean
  readonly ports: readonly string[]
  readonly networks: readonly string[]
  readonly routers: readonly string[]
}
const told = async (since?: string, wait = 0): Promise<Told> => {
  const query = since === undefined ? `wait=${wait}` : `since=${since}&wait=${wait}`
  const { status, body } = await service.call('GET', `/v2.0/kilonova/changes?${query}`)
  assert.equal(status, 200, JSON.stringify(body))
  return body as Told
}
const make = async (person: Person, path: string, one: string, fields: object): Promise<string> => {
  const { status, body } = await person.call('POST', `/v2.0/${path}`, { [one]: fields })
  assert.equal(status, 201, JSON.stringify(body))
  return (body as Record<string, { id: string }>)[one]?.id ?? ''
}
const bound = (network: string, groups: readonly string[], host = 'host-1') =>
  make(service, 'ports', 'port', {
    network_id: network,
    project_id: demo.projectId,
    security_groups: groups,
    'binding:host_id': host,
  })
const set = async (path: string, one: string, fields: object, person = demo) => {
  const { status, body } = await person.call('PUT', `/v2.0/${path}`, { [one]: fields })
  assert.equal(status, 200, JSON.stringify(body))
}

test('without a place, or with one that is not known, all may have changed; a user learns nothing', async () => {
  const first = await told()
  assert.deepEqual([first.all, first.ports], [true, []])
  assert.deepEqual(await told(first.cursor), { ...first, all: false, ports: [], networks: [], routers: [] })
  for (const unknown of ['x', `${first.cursor.split('.')[0]}.999999`, '.0'])
    assert.equal((await told(unknown)).all, true)
  assert.equal((await demo.call('GET', '/v2.0/kilonova/changes')).status, 403)
  assert.equal((await service.call('GET', '/v2.0/kilonova/changes?wait=61')).status, 400)
  const { body } = await demo.call('GET', '/v2.0/extensions/kilonova-changes')
  assert.match(JSON.stringify(body), /kilonova-changes/)
})

test('a change of a network, its subnets and a bound port is told; of an unbound one it is not', async () => {
  const network = await make(demo, 'networks', 'network', {})
  let { cursor } = await told()
  const next = async (): Promise<Told> => {
    const answer = await told(cursor)
    ;({ cursor } = answer)
    return answer
  }
  const subnet = await make(demo, 'subnets', 'subnet', { network_id: network, ip_version: 4, cidr: '10.0.0.0/24' })
  assert.deepEqual((await next()).networks, [network])
  await set(`subnets/${subnet}`, 'subnet', { dns_nameservers: ['192.0.2.1'] })
  await set(`networks/${network}`, 'network', { mtu: 1300 })
  assert.deepEqual((await next()).networks, [network])
  const port = await make(demo, 'ports', 'port', { network_id: network, security_groups: [] })
  await set(`ports/${port}`, 'port', { admin_state_up: false })
  assert.deepEqual((await next()).ports, [])
  await set(`ports/${port}`, 'port', { 'binding:host_id': 'host-1' }, service)
  assert.deepEqual((await next()).ports, [port])
  await set(`ports/${port}`, 'port', { 'binding:host_id': '' }, service)
  assert.deepEqual((await next()).ports, [port], 'the host it left has to know')
  await set(`ports/${port}`, 'port', { 'binding:host_id': 'host-1' }, service)
  await next()
  await demo.call('DELETE', `/v2.0/ports/${port}`)
  assert.deepEqual((await next()).ports, [port])
})

test('a rule concerns the ports of its group, a member those whose rules name its group', async () => {
  const network = await make(demo, 'networks', 'network', {})
  await make(demo, 'subnets', 'subnet', { network_id: network, ip_version: 4, cidr: '10.0.0.0/24' })
  const [web, database] = await Promise.all(
    ['web', 'database'].map((name) => make(demo, 'security-groups', 'security_group', { name })),
  )
  assert.ok(web && database)
  const [webPort, databasePort] = [await bound(network, [web]), await bound(network, [database])]
  let { cursor } = await told()
  const ports = async (): Promise<readonly string[]> => {
    const answer = await told(cursor)
    ;({ cursor } = answer)
    return answer.ports
  }
  const rule = { security_group_id: database, direction: 'ingress', protocol: 'tcp', remote_group_id: web }
  const ruleId = await make(demo, 'security-group-rules', 'security_group_rule', rule)
  assert.deepEqual(await ports(), [databasePort])
  const unbound = await make(demo, 'ports', 'port', { network_id: network, security_groups: [web] })
  assert.deepEqual(await ports(), [databasePort], 'a new member, bound or not')
  await set(`ports/${unbound}`, 'port', { name: 'renamed' })
  assert.deepEqual(await ports(), [])
  await set(`ports/${unbound}`, 'port', { security_groups: [] })
  assert.deepEqual(await ports(), [databasePort])
  await set(`ports/${webPort}`, 'port', { fixed_ips: [{ ip_address: '10.0.0.99' }] })
  assert.deepEqual((await ports()).toSorted(), [webPort, databasePort].toSorted())
  await demo.call('DELETE', `/v2.0/security-group-rules/${ruleId}`)
  assert.deepEqual(await ports(), [databasePort])
  await make(demo, 'security-group-rules', 'security_group_rule', rule)
  await set(`ports/${webPort}`, 'port', { security_groups: [] })
  await ports()
  assert.equal((await demo.call('DELETE', `/v2.0/security-groups/${web}`)).status, 204)
  assert.deepEqual(await ports(), [databasePort], 'its rule went with the group it named')
})

test('who waits is told at once, a batch as one; who waits in vain is answered with nothing', async () => {
  const network = await make(demo, 'networks', 'network', {})
  const [one, two] = [await bound(network, []), await bound(network, [])]
  const { cursor } = await told()
  const began = performance.now()
  const waiting = told(cursor, 30)
  await Promise.all([one, two].map((id) => set(`ports/${id}`, 'port', { description: 'changed' })))
  const answer = await waiting
  assert.ok(performance.now() - began < 5_000)
  const rest = await told(answer.cursor)
  assert.deepEqual([...answer.ports, ...rest.ports].toSorted(), [one, two].toSorted())
  assert.deepEqual(await told(rest.cursor, 0.05), { ...rest, ports: [], networks: [], routers: [] })
})

test('the end of the service lets go of who waits', async () => {
  const shortly = await testNetwork()
  const person = await shortly.person('kilonova')
  const { body } = await person.call('GET', '/v2.0/kilonova/changes')
  const waiting = person.call('GET', `/v2.0/kilonova/changes?since=${(body as Told).cursor}&wait=60`)
  await person.call('GET', '/v2.0/kilonova/changes')
  const began = performance.now()
  await shortly.close()
  await waiting.catch(() => undefined)
  assert.ok(performance.now() - began < 10_000)
})

test('a batch is told as one; a place that was forgotten is not known', async () => {
  const feed = changeFeed()
  const start = feed.now()
  const never = new AbortController().signal
  const waiting = feed.wait(start, 60_000, never)
  feed.note('port', ['a'])
  feed.note('port', ['b', 'a'])
  assert.equal(await waiting, true)
  assert.deepEqual([...(feed.since(start)?.port ?? [])], ['a', 'b'])
  for (let count = 0; count < 25_000; count++) feed.note('network', [String(count)])
  assert.equal(feed.since(start), undefined)
  assert.equal(feed.since(feed.now())?.network.size, 0)
  const stop = new AbortController()
  const cut = feed.wait(feed.now(), 60_000, stop.signal)
  stop.abort()
  assert.equal(await cut, false)
})
