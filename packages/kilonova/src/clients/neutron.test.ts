/** The network client: ports as the service wants them, facts that cost little, and what its statuses mean. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { neutron, type NewPort } from './neutron.ts'
import { fakeKeystone, handClock, httpService, type Answer, type Request } from './testing.ts'

const network = {
  id: 'n1',
  name: 'private',
  mtu: 1450,
  project_id: 'q',
  shared: true,
  subnets: ['s1'],
  tags: ['kilonova:routed'],
}
const subnet = {
  id: 's1',
  cidr: '10.0.0.0/24',
  gateway_ip: '10.0.0.1',
  enable_dhcp: true,
  dns_nameservers: ['192.0.2.53'],
  host_routes: [],
}
const port = {
  id: 'p1',
  network_id: 'n1',
  project_id: 'p',
  mac_address: 'fa:16:3e:00:00:01',
  fixed_ips: [{ ip_address: '10.0.0.5', subnet_id: 's1' }],
  device_id: 'server',
  device_owner: 'compute:nova',
  'binding:host_id': 'host1',
  status: 'DOWN',
  security_groups: ['g1'],
  port_security_enabled: true,
  tags: [],
}
const rule = {
  security_group_id: 'g1',
  ethertype: 'IPv4',
  protocol: null,
  port_range_min: null,
  port_range_max: null,
  remote_ip_prefix: null,
  remote_group_id: null,
}
const rules = [
  { ...rule, direction: 'egress' },
  {
    ...rule,
    direction: 'ingress',
    protocol: 'tcp',
    port_range_min: 22,
    port_range_max: 22,
    remote_ip_prefix: '192.0.2.0/24',
  },
  { ...rule, direction: 'ingress', remote_group_id: 'g1' },
  { ...rule, direction: 'ingress', ethertype: 'IPv6', remote_group_id: 'g1' },
]
const wanted: NewPort = {
  networkId: 'n1',
  projectId: 'p',
  serverId: 'server',
  zone: 'nova',
  host: 'host1',
  tag: 'kilonova:task/ports:0',
  securityGroups: ['g1'],
  hostname: 'one',
}

async function service(
  t: TestContext,
  extensions: readonly string[],
  more: (request: Request) => Answer | undefined = () => undefined,
) {
  const clock = handClock()
  const http = await httpService(t, (request) => {
    const own = more(request)
    if (own) return own
    const { method, path, query, json } = request
    const key = `${method} ${path}`
    if (key === 'GET /v2.0/extensions') return { json: { extensions: extensions.map((alias) => ({ alias })) } }
    if (key === 'GET /v2.0/networks/n1') return { json: { network } }
    if (key === 'GET /v2.0/networks')
      return {
        json: { networks: query.get('shared') === 'True' ? [network] : [{ ...network, id: 'n2', shared: false }] },
      }
    if (key === 'GET /v2.0/subnets') return { json: { subnets: [subnet, { ...subnet, id: 's2' }] } }
    if (key === 'GET /v2.0/security-groups')
      return { json: { security_groups: [{ id: 'g1', name: 'default', security_group_rules: rules }] } }
    if (key === 'GET /v2.0/ports') return { json: { ports: [port] } }
    if (key === 'GET /v2.0/ports/p1') return { json: { port } }
    if (key === 'POST /v2.0/ports')
      return { status: 201, json: { port: { ...port, ...(json as { port: object }).port } } }
    if (key === 'PUT /v2.0/ports/p1') return { json: { port: { ...port, ...(json as { port: object }).port } } }
    if (key === 'DELETE /v2.0/ports/p1') return { status: 204 }
    return undefined
  })
  return { clock, http, client: neutron(fakeKeystone({ network: `${http.url}/v2.0` }), { endpoint: undefined, clock }) }
}

const sentBy = (asked: readonly Request[]): Record<string, unknown> => {
  const last = asked.at(-1)
  assert.ok(last)
  return (last.json as { port: Record<string, unknown> }).port
}

test('a port is made tagged where the service can, and found again by its description where it cannot', async (t) => {
  const modern = await service(t, ['tag-ports-during-bulk-creation', 'dns-integration'])
  const made = await modern.client.createPort({ ...wanted, fixedIp: '10.0.0.9' })
  const sent = sentBy(modern.http.asked)
  assert.deepEqual(
    [sent['tags'], sent['dns_name'], sent['fixed_ips'], sent['device_owner'], sent['binding:host_id']],
    [[wanted.tag], 'one', [{ ip_address: '10.0.0.9' }], 'compute:nova', 'host1'],
  )
  assert.deepEqual(made.tags, [wanted.tag])
  const plain = await service(t, [])
  const other = await plain.client.createPort({ ...wanted, securityGroups: [] })
  const less = sentBy(plain.http.asked)
  assert.deepEqual(
    [less['tags'], less['description'], less['dns_name'], less['security_groups']],
    [undefined, wanted.tag, undefined, undefined],
  )
  assert.deepEqual(other.tags, [wanted.tag])
})

const OWNER = { id: 'server', projectId: 'p', requestedNics: [] }

test("a port of another project that carries the server's id is not the server's, unless it was given to it", async (t) => {
  const { client } = await service(t, [])
  assert.deepEqual(await client.portsOf({ ...OWNER, projectId: 'another' }), [])
  assert.equal(
    (await client.portsOf({ ...OWNER, projectId: 'another', requestedNics: [{ portId: 'p1' }] }))[0]?.id,
    'p1',
  )
})

test('ports are given and taken back, deleted once or twice', async (t) => {
  const { client, http } = await service(t, [])
  assert.equal((await client.bindPort('p1', { serverId: 's', host: 'h', zone: 'z' })).deviceId, 's')
  await client.unbindPort('p1')
  assert.deepEqual(sentBy(http.asked), { device_id: '', device_owner: '', 'binding:host_id': '' })
  await client.deletePort('p1')
  await client.deletePort('gone')
  await client.unbindPort('gone')
  await assert.rejects(client.bindPort('gone', { serverId: 's', host: 'h', zone: 'z' }), { name: 'ServiceRefused' })
  assert.equal((await client.portsOf(OWNER))[0]?.id, 'p1')
  assert.equal(await client.port('gone', 'token'), undefined)
})

test('a host is told networks, addressed subnets and rules, with group members as addresses', async (t) => {
  const { client } = await service(t, [])
  const [facts] = await client.facts(await client.portsOf(OWNER), 'one')
  assert.deepEqual(facts?.subnets, [
    {
      id: 's1',
      cidr: '10.0.0.0/24',
      gateway: '10.0.0.1',
      dhcp: true,
      dnsServers: ['192.0.2.53'],
      hostRoutes: [],
      routed: true,
      raMode: null,
      addressMode: null,
    },
  ])
  assert.deepEqual([facts?.networkName, facts?.mtu, facts?.hostname], ['private', 1450, 'one'])
  assert.deepEqual(
    facts?.rules.map(({ direction, version, portMin, remotes }) => [direction, version, portMin, remotes]),
    [
      ['egress', 4, null, []],
      ['ingress', 4, 22, ['192.0.2.0/24']],
      ['ingress', 4, null, ['10.0.0.5/32']],
      ['ingress', 6, null, ['::/128']],
    ],
  )
})

test('many boots in a moment ask for each thing once', async (t) => {
  const { client, http, clock } = await service(t, [])
  const ports = await client.portsOf(OWNER)
  const before = http.asked.length
  await Promise.all(Array.from({ length: 20 }, () => client.facts(ports, 'one')))
  assert.equal(http.asked.length - before, 4, 'network, subnets, group, members')
  clock.pass(2_001)
  await client.facts(ports, 'one')
  assert.equal(http.asked.length - before, 8)
})

test('networks that may be used are the project’s own and the shared ones', async (t) => {
  const { client } = await service(t, [])
  assert.deepEqual(
    (await client.availableNetworks('q', 'token')).map(({ id }) => id),
    ['n2', 'n1'],
  )
  assert.equal((await client.network('n1', 'token'))?.name, 'private')
  assert.equal(await client.network('n9', 'token'), undefined)
})

test('security groups are found by id or name, also one that was just made', async (t) => {
  const known = [{ id: 'g1', name: 'default' }]
  const { client } = await service(t, [], ({ path }) =>
    path === '/v2.0/security-groups' ? { json: { security_groups: known } } : undefined,
  )
  assert.deepEqual(await client.securityGroups(['default', 'g1'], 'p', 'token'), ['g1'])
  known.push({ id: 'g2', name: 'web' })
  assert.deepEqual(await client.securityGroups(['web'], 'p', 'token'), ['g2'])
  await assert.rejects(client.securityGroups(['nope'], 'p', 'token'), {
    name: 'UnknownSecurityGroup',
    kind: 'badRequest',
  })
})

test('a refusal carries the service’s words, a server error is worth another try', async (t) => {
  let status = 409
  const { client } = await service(t, [], ({ method }) =>
    method === 'POST'
      ? {
          status,
          json: { NeutronError: { type: 'IpAddressGenerationFailure', message: 'No more IP addresses', detail: '' } },
        }
      : undefined,
  )
  await assert.rejects(client.createPort(wanted), { name: 'ServiceRefused', message: /No more IP addresses/ })
  status = 503
  await assert.rejects(client.createPort(wanted), { name: 'ServiceUnavailable', kind: 'unavailable' })
})
