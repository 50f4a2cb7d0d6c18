/** Security groups and their rules over HTTP. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { testNetwork, type Person, type TestNetwork } from '../test-cloud.ts'

let cloud: TestNetwork
let demo: Person
let other: Person
before(async () => {
  cloud = await testNetwork({
    defaultGroupRules: [
      { direction: 'ingress', ethertype: 'IPv4', protocol: 'tcp', portRangeMin: 22, portRangeMax: 22 },
      { direction: 'ingress', ethertype: 'IPv4', protocol: 'icmp' },
    ],
  })
  ;[demo, other] = await Promise.all([cloud.person('demo'), cloud.person('other')])
})
after(() => cloud.close())

interface Rule {
  readonly id: string
  readonly direction: string
  readonly ethertype: string
  readonly protocol: string | null
  readonly port_range_min: number | null
  readonly remote_group_id: string | null
  readonly remote_ip_prefix: string | null
  readonly normalized_cidr: string | null
}
interface Group {
  readonly id: string
  readonly name: string
  readonly security_group_rules: readonly Rule[]
}
const groups = async (person: Person, query = ''): Promise<readonly Group[]> =>
  ((await person.call('GET', `/v2.0/security-groups${query}`)).body as { security_groups: Group[] }).security_groups
const make = async (person: Person, name: string): Promise<Group> =>
  ((await person.call('POST', '/v2.0/security-groups', { security_group: { name } })).body as { security_group: Group })
    .security_group
const addRule = (person: Person, fields: object) =>
  person.call('POST', '/v2.0/security-group-rules', { security_group_rule: fields })
const typeOf = (body: unknown) => (body as { NeutronError: { type: string } }).NeutronError.type

test('a project’s default group is there when first looked for, once, with Neutron’s rules and ours', async () => {
  const all = await Promise.all(Array.from({ length: 8 }, () => groups(other)))
  assert.equal(new Set(all.flat().map(({ id }) => id)).size, 1)
  const [group] = await groups(other)
  assert.ok(group)
  assert.equal(group.name, 'default')
  const told = group.security_group_rules.map((rule) => [
    rule.direction,
    rule.ethertype,
    rule.protocol,
    rule.port_range_min,
    rule.remote_group_id === group.id,
  ])
  assert.deepEqual(
    told.map((rule) => rule.join(' ')).toSorted(),
    [
      'egress IPv4   false',
      'egress IPv6   false',
      'ingress IPv4   true',
      'ingress IPv4 icmp  false',
      'ingress IPv4 tcp 22 false',
      'ingress IPv6   true',
    ].toSorted(),
  )
  const refused = await other.call('DELETE', `/v2.0/security-groups/${group.id}`)
  assert.deepEqual([refused.status, typeOf(refused.body)], [409, 'SecurityGroupCannotRemoveDefault'])
})

test('a new group lets out and nothing in; another project does not see it', async () => {
  const group = await make(demo, 'web')
  assert.deepEqual(
    group.security_group_rules.map(({ direction }) => direction),
    ['egress', 'egress'],
  )
  assert.equal((await other.call('GET', `/v2.0/security-groups/${group.id}`)).status, 404)
  assert.equal((await addRule(other, { security_group_id: group.id, direction: 'ingress' })).status, 404)
  assert.deepEqual(
    (await groups(demo, '?name=web')).map(({ id }) => id),
    [group.id],
  )
  const renamed = await demo.call('PUT', `/v2.0/security-groups/${group.id}`, { security_group: { name: 'www' } })
  assert.equal((renamed.body as { security_group: Group }).security_group.name, 'www')
})

test('a rule is kept once, whatever its protocol is called', async () => {
  const group = await make(demo, 'rules')
  const fields = {
    security_group_id: group.id,
    direction: 'ingress',
    protocol: '6',
    port_range_min: 80,
    port_range_max: 90,
    remote_ip_prefix: '10.1.2.3/8',
  }
  const { status, body } = await addRule(demo, fields)
  assert.equal(status, 201)
  const rule = (body as { security_group_rule: Rule }).security_group_rule
  assert.deepEqual([rule.protocol, rule.ethertype, rule.remote_ip_prefix], ['6', 'IPv4', '10.1.2.3/8'])
  assert.equal(rule.normalized_cidr, '10.0.0.0/8')
  const again = await addRule(demo, { ...fields, protocol: 'tcp', remote_ip_prefix: '10.0.0.0/8' })
  assert.deepEqual([again.status, typeOf(again.body)], [409, 'SecurityGroupRuleExists'])
  const { body: listed } = await demo.call(
    'GET',
    `/v2.0/security-group-rules?security_group_id=${group.id}&direction=ingress`,
  )
  assert.deepEqual(
    (listed as { security_group_rules: Rule[] }).security_group_rules.map(({ id }) => id),
    [rule.id],
  )
  assert.equal((await demo.call('DELETE', `/v2.0/security-group-rules/${rule.id}`)).status, 204)
  assert.equal((await demo.call('DELETE', `/v2.0/security-group-rules/${rule.id}`)).status, 404)
})

test('a rule that cannot be meant is refused', async () => {
  const { id } = await make(demo, 'wrong')
  const cases = [
    { direction: 'sideways' },
    { direction: 'ingress', protocol: 'carrier-pigeon' },
    { direction: 'ingress', port_range_min: 1, port_range_max: 2 },
    { direction: 'ingress', protocol: 'tcp', port_range_min: 2, port_range_max: 1 },
    { direction: 'ingress', protocol: 'tcp', port_range_min: 2 },
    { direction: 'ingress', protocol: 'icmp', port_range_min: 300 },
    { direction: 'ingress', remote_ip_prefix: 'everywhere' },
    { direction: 'ingress', ethertype: 'IPv6', remote_ip_prefix: '10.0.0.0/8' },
    { direction: 'ingress', remote_ip_prefix: '10.0.0.0/8', remote_group_id: id },
    { direction: 'ingress', protocol: 300 },
  ]
  for (const fields of cases)
    assert.equal((await addRule(demo, { security_group_id: id, ...fields })).status, 400, JSON.stringify(fields))
  assert.equal(
    (await addRule(demo, { security_group_id: id, direction: 'ingress', remote_group_id: 'none' })).status,
    404,
  )
})

test('a group that a port has is not deleted, and ports take only their own project’s', async () => {
  const [group, foreign] = await Promise.all([make(demo, 'used'), make(other, 'foreign')])
  const { body } = await demo.call('POST', '/v2.0/networks', { network: {} })
  const network = (body as { network: { id: string } }).network.id
  const made = await demo.call('POST', '/v2.0/ports', { port: { network_id: network, security_groups: [group.id] } })
  const port = (made.body as { port: { id: string; security_groups: string[] } }).port
  assert.deepEqual(port.security_groups, [group.id])
  const inUse = await demo.call('DELETE', `/v2.0/security-groups/${group.id}`)
  assert.deepEqual([inUse.status, typeOf(inUse.body)], [409, 'SecurityGroupInUse'])
  const taken = await demo.call('PUT', `/v2.0/ports/${port.id}`, { port: { security_groups: [foreign.id] } })
  assert.equal(taken.status, 404)
  assert.equal((await demo.call('PUT', `/v2.0/ports/${port.id}`, { port: { security_groups: [] } })).status, 200)
  assert.equal((await demo.call('DELETE', `/v2.0/security-groups/${group.id}`)).status, 204)
})

const kept = async (fields: object): Promise<readonly unknown[]> => {
  const { status, body } = await addRule(demo, { direction: 'ingress', ...fields })
  assert.equal(status, 201, JSON.stringify(body))
  const { security_group_rule: rule } = body as { security_group_rule: Rule & { port_range_max: number | null } }
  return [rule.ethertype, rule.protocol, rule.port_range_min, rule.port_range_max]
}

test('protocols have names and numbers, ICMP has types and codes, and all ports are none', async () => {
  const { id: security_group_id } = await make(demo, 'protocols')
  const rule = (fields: object) => kept({ security_group_id, ...fields })
  const six = { ethertype: 'ipv6' }
  assert.deepEqual(await rule({ protocol: 'TCP', port_range_min: '1', port_range_max: 65535 }), [
    'IPv4',
    'tcp',
    null,
    null,
  ])
  assert.deepEqual(await rule({ protocol: 'icmp', port_range_min: 8 }), ['IPv4', 'icmp', 8, null])
  assert.deepEqual(await rule({ protocol: 1, port_range_min: 3, port_range_max: 4 }), ['IPv4', '1', 3, 4])
  assert.deepEqual(await rule({ ...six, protocol: 'icmp' }), ['IPv6', 'ipv6-icmp', null, null])
  assert.deepEqual(await rule({ ...six, protocol: 1, port_range_min: 128, port_range_max: 0 }), ['IPv6', '58', 128, 0])
  assert.deepEqual(await rule({ protocol: 'vrrp' }), ['IPv4', 'vrrp', null, null])
  assert.deepEqual(await rule({ protocol: '255' }), ['IPv4', '255', null, null])
  assert.deepEqual(await rule({ protocol: 'any', remote_ip_prefix: '192.0.2.1' }), ['IPv4', null, null, null])
  for (const wrong of [
    { protocol: 'ipv6-icmp' },
    { protocol: 58 },
    { protocol: 'tcp', port_range_min: 0, port_range_max: 5 },
    { protocol: 'tcp', port_range_min: 5 },
    { protocol: 'gre', port_range_min: 5, port_range_max: 5 },
    { protocol: 'icmp', port_range_max: 0 },
    { protocol: '256' },
    { ethertype: 'IPv5' },
  ])
    assert.equal(
      (await addRule(demo, { security_group_id, direction: 'egress', ...wrong })).status,
      400,
      JSON.stringify(wrong),
    )
  const twice = await addRule(demo, { security_group_id, direction: 'ingress', protocol: 112 })
  assert.deepEqual([twice.status, typeOf(twice.body)], [409, 'SecurityGroupRuleExists'])
})

test('several rules are made at once, all or none', async () => {
  const [{ id: one }, { id: two }] = [await make(demo, 'several'), await make(demo, 'another')]
  const rule = (port: number, security_group_id = one) => ({
    security_group_id,
    direction: 'ingress',
    protocol: 'tcp',
    port_range_min: port,
    port_range_max: port,
  })
  const post = (...rules: object[]) => demo.call('POST', '/v2.0/security-group-rules', { security_group_rules: rules })
  const { status, body } = await post(rule(80), rule(443))
  assert.deepEqual([status, (body as { security_group_rules: Rule[] }).security_group_rules.length], [201, 2])
  assert.equal(typeOf((await post(rule(81), rule(81))).body), 'DuplicateSecurityGroupRuleInPost')
  assert.equal(typeOf((await post(rule(81), rule(80))).body), 'SecurityGroupRuleExists')
  assert.equal((await post(rule(81), rule(81, two))).status, 400)
  const [group] = await groups(demo, '?name=several')
  assert.equal(group?.security_group_rules.length, 4)
})

test('of ten that add the same rule at once one does', async () => {
  const { id: security_group_id } = await make(demo, 'raced')
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => addRule(demo, { security_group_id, direction: 'ingress', protocol: 'udp' })),
  )
  assert.deepEqual(
    answers.map(({ status }) => status).toSorted((a, b) => a - b),
    [201, ...Array<number>(9).fill(409)],
  )
})

test('the default group keeps its name, and no other takes it', async () => {
  const [group] = await groups(demo, '?name=default')
  assert.ok(group)
  const put = (id: string, fields: object) =>
    demo.call('PUT', `/v2.0/security-groups/${id}`, { security_group: fields })
  assert.equal(typeOf((await put(group.id, { name: 'x' })).body), 'SecurityGroupCannotUpdateDefault')
  assert.equal((await put(group.id, { description: 'ours' })).status, 200)
  const taken = await demo.call('POST', '/v2.0/security-groups', { security_group: { name: 'Default' } })
  assert.deepEqual([taken.status, typeOf(taken.body)], [409, 'SecurityGroupDefaultAlreadyExists'])
})

test('a port’s groups are all stateful or none, and a group in use stays what it is', async () => {
  const make2 = async (fields: object): Promise<string> => {
    const { body } = await other.call('POST', '/v2.0/security-groups', { security_group: fields })
    return (body as { security_group: Group }).security_group.id
  }
  const [stateless, stateful] = [await make2({ name: 'less', stateful: false }), await make2({ name: 'full' })]
  const { body } = await other.call('POST', '/v2.0/networks', { network: {} })
  const network = (body as { network: { id: string } }).network.id
  const port = (security_groups: string[]) =>
    other.call('POST', '/v2.0/ports', { port: { network_id: network, security_groups } })
  assert.equal(typeOf((await port([stateless, stateful])).body), 'SecurityGroupConflict')
  assert.equal((await port([stateless])).status, 201)
  const set = (id: string) => other.call('PUT', `/v2.0/security-groups/${id}`, { security_group: { stateful: true } })
  assert.equal(typeOf((await set(stateless)).body), 'SecurityGroupInUse')
  assert.equal((await set(stateful)).status, 200)
})
