/** What the network and image services keep, over the Compute API of old: bodies as they were, errors as upstream has them, always in the user's name. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId } from '@kilonova/base/clock.ts'
import { at, cloud, networkOf, portOf, PROJECT, server, settled, type Cloud } from '../testing/cloud.ts'

const ask = async (it: Cloud, method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, json?: unknown, as = 'member') =>
  it.call(method, path, { as, version: '2.35', ...(json === undefined ? {} : { json }) })

test('networks are shown with the fields they had, all null but name and id', async (t) => {
  const it = await cloud(t)
  const [network] = [...it.networks.values()]
  const list = await ask(it, 'GET', '/os-networks')
  const first = at(list, 'networks', 0) as Record<string, unknown>
  assert.deepEqual([first['id'], first['label'], first['cidr'], 'vlan' in first], [network?.id, 'private', null, false])
  assert.equal('vlan' in (at(await ask(it, 'GET', '/os-networks', undefined, 'admin'), 'networks', 0) as object), true)
  assert.deepEqual(at(await ask(it, 'GET', `/os-tenant-networks/${network?.id}`), 'network'), {
    id: network?.id,
    cidr: 'None',
    label: 'private',
  })
  const unknown = await ask(it, 'GET', '/os-networks/none')
  assert.deepEqual([unknown.status, at(unknown, 'itemNotFound', 'message')], [404, 'Network not found'])
  assert.deepEqual([...it.kept.tokens], ['member', 'admin'], 'in the name of who asked')
  assert.equal((await it.call('GET', '/os-networks', { version: '2.36' })).status, 404)
})

async function withPool(it: Cloud): Promise<string> {
  const pool = networkOf({ name: 'nova', external: true, shared: false })
  it.networks.set(pool.id, pool)
  return pool.id
}
async function withServer(it: Cloud): Promise<{ id: string; port: string }> {
  const id = await server(it)
  await settled(it, id)
  const port = portOf({ deviceId: id, securityGroups: ['one'] })
  it.ports.set(port.id, port)
  return { id, port: port.id }
}
const act = (it: Cloud, id: string, json: object, version = '2.43') =>
  it.call('POST', `/servers/${id}/action`, { version, json })

test('a floating IP is taken from a pool, given to a server, taken away and given back', async (t) => {
  const it = await cloud(t)
  await withPool(it)
  const { id, port } = await withServer(it)
  assert.deepEqual((await ask(it, 'GET', '/os-floating-ip-pools')).body, { floating_ip_pools: [{ name: 'nova' }] })
  const made = at(await ask(it, 'POST', '/os-floating-ips', { pool: null }), 'floating_ip') as {
    id: string
    ip: string
  }
  assert.deepEqual(made, { fixed_ip: null, id: made.id, instance_id: null, ip: made.ip, pool: 'nova' })
  const address = made.ip
  assert.equal((await act(it, id, { addFloatingIp: { address } })).status, 202)
  const shown = await ask(it, 'GET', `/os-floating-ips/${made.id}`)
  assert.deepEqual(at(shown, 'floating_ip'), { ...made, fixed_ip: '10.0.0.5', instance_id: id })
  assert.equal(it.kept.collections.get('floatingips')?.get(made.id)?.['port_id'], port)
  assert.equal((await act(it, id, { removeFloatingIp: { address } })).status, 202)
  const again = await act(it, id, { removeFloatingIp: { address } })
  assert.deepEqual(
    [again.status, at(again, 'conflictingRequest', 'message')],
    [409, `Floating IP ${address} is not associated with instance ${id}.`],
  )
  assert.equal((await ask(it, 'DELETE', `/os-floating-ips/${made.id}`)).status, 202)
  assert.deepEqual((await ask(it, 'GET', '/os-floating-ips')).body, { floating_ips: [] })
  assert.equal((await ask(it, 'DELETE', `/os-floating-ips/${made.id}`)).status, 404)
  assert.equal((await act(it, id, { addFloatingIp: { address } }, '2.44')).status, 404, 'it ended at 2.43')
})

test('a server gets one more address of its network, and loses it, until 2.43', async (t) => {
  const it = await cloud(t)
  const { id, port } = await withServer(it)
  const { networkId } = it.ports.get(port) ?? { networkId: '' }
  const told: unknown[] = []
  it.bus.subscribe('ports-plugged', (event) => void told.push(event))
  const shown = async () =>
    (Object.values(at(await it.call('GET', `/servers/${id}`), 'server', 'addresses') as object) as { addr: string }[][])
      .flat()
      .map(({ addr }) => addr)
  assert.equal((await act(it, id, { addFixedIp: { networkId } })).status, 404, 'it has no subnet')
  const subnet = newId()
  it.kept.collections.get('subnets')?.set(subnet, { id: subnet, network_id: networkId })
  assert.equal((await act(it, id, { addFixedIp: { networkId } })).status, 202)
  assert.deepEqual(await shown(), ['10.0.0.5', '10.0.0.99'])
  assert.equal((await act(it, id, { removeFixedIp: { address: '10.0.0.99' } })).status, 202)
  assert.deepEqual(await shown(), ['10.0.0.5'])
  assert.deepEqual(told, [{ ports: [port] }, { ports: [port] }], 'the host is told')
  assert.equal((await act(it, id, { removeFixedIp: { address: '10.0.0.99' } })).status, 400)
  assert.equal((await act(it, id, { addFixedIp: { networkId: newId() } })).status, 404)
  assert.equal((await act(it, id, { removeFixedIp: { address: 'x' } })).status, 400)
  assert.equal((await act(it, id, { addFixedIp: { networkId } }, '2.44')).status, 404)
})

test('what the network service tells of ports is seen at the server, floating addresses stay', async (t) => {
  const it = await cloud(t)
  const { id, port } = await withServer(it)
  const tell = async (name: string, more: object = {}) =>
    (
      await it.call('POST', '/os-server-external-events', {
        as: 'service',
        version: '2.93',
        json: { events: [{ name, server_uuid: id, ...more }] },
      })
    ).body as { events: { status: string; code: number }[] }
  const addresses = async () =>
    JSON.parse(
      (await it.db.selectFrom('servers').select('addresses').where('id', '=', id).executeTakeFirstOrThrow()).addresses,
    ) as { address: string; type?: string }[]
  await tell('network-changed')
  const [first] = await addresses()
  assert.equal(first?.address, '10.0.0.5')
  const floating = { ...first, address: '203.0.113.7', type: 'floating' }
  await it.db
    .updateTable('servers')
    .set({ addresses: JSON.stringify([first, floating]) })
    .where('id', '=', id)
    .execute()
  const before = it.ports.get(port) ?? portOf()
  it.ports.set(port, { ...before, fixedIps: [...before.fixedIps, { address: '10.0.0.6', subnetId: 's' }] })
  await tell('network-changed', { tag: port, status: 'failed' })
  assert.deepEqual(
    (await addresses()).map(({ address }) => address),
    ['10.0.0.5', '203.0.113.7', '10.0.0.6'],
  )
  it.ports.delete(port)
  assert.deepEqual((await tell('network-vif-deleted', { tag: port })).events[0]?.code, 200)
  const lost = await it.db.selectFrom('tasks').select('body').where('action', '=', 'loseInterface').execute()
  assert.deepEqual(
    lost.map(({ body }) => JSON.parse(body) as unknown),
    [{ portId: port }],
  )
  assert.equal((await addresses()).length, 3, 'shown until the guest has let go of it')
  for (const name of ['volume-extended', 'power-update', 'accelerator-request-bound'])
    assert.deepEqual((await tell(name)).events[0]?.code, 400, `${name} says whom by its tag`)
  assert.equal((await tell('power-update', { tag: 'POWER_ON', status: 'in-progress' })).events[0]?.status, 'completed')
})

test('what the network service refuses of floating IPs has upstream’s statuses and words', async (t) => {
  const it = await cloud(t)
  const none = await ask(it, 'POST', '/os-floating-ips', { pool: 'other' })
  assert.deepEqual([none.status, at(none, 'itemNotFound', 'message')], [404, 'Floating IP pool not found.'])
  const pool = await withPool(it)
  for (const [refusal, status, words] of [
    [{ status: 409, type: 'OverQuota', message: 'x' }, 403, `IP allocation over quota in pool ${pool}.`],
    [{ status: 409, type: 'IpAddressGenerationFailure', message: 'x' }, 404, `No more floating IPs in pool ${pool}.`],
    [{ status: 400, message: 'it is bad' }, 400, 'it is bad'],
    [{ status: 403, message: 'not you' }, 403, 'not you'],
    [{ status: 422, message: 'a secret of theirs' }, 500, 'The network service refused what it was asked for.'],
  ] as const) {
    // The pool is found first; it is the making that is refused.
    const answer = await refusingSecond(it, refusal, () => ask(it, 'POST', '/os-floating-ips', { pool }))
    assert.deepEqual([answer.status, Object.values(answer.body as object)[0].message], [status, words])
  }
  const { id } = await withServer(it)
  for (const [body, status] of [
    [{ address: 'nonsense' }, 400],
    [{ address: '203.0.113.99', other: 1 }, 400],
    [{ address: '203.0.113.99', fixed_address: '10.9.9.9' }, 400],
    [{ address: '203.0.113.99' }, 404],
  ] as const)
    assert.equal((await act(it, id, { addFloatingIp: body })).status, status, JSON.stringify(body))
  const bare = await server(it)
  assert.equal((await act(it, bare, { addFloatingIp: { address: '203.0.113.99' } })).status, 400, 'it has no network')
})
/** The first call of the network service is answered, the second refused. */
async function refusingSecond(
  it: Cloud,
  refusal: { status: number; type?: string; message: string },
  work: () => ReturnType<Cloud['call']>,
) {
  let calls = 0
  const { tokens } = it.kept
  const add = tokens.add.bind(tokens)
  tokens.add = (token) => {
    calls += 1
    if (calls === 2) it.kept.refuse = refusal
    return add(token)
  }
  try {
    return await work()
  } finally {
    tokens.add = add
  }
}

test('security groups and their rules are made, shown, changed and removed in the old shape', async (t) => {
  const it = await cloud(t)
  const path = '/os-security-groups'
  const group = (name: string, description = 'd') => ({ security_group: { name, description } })
  const made = at(await ask(it, 'POST', path, group('web')), 'security_group') as { id: string }
  const { id } = made
  const other = at(await ask(it, 'POST', path, group('db')), 'security_group', 'id') as string
  const rule = (more: object) => ({ security_group_rule: { parent_group_id: id, ...more } })
  const ssh = { ip_protocol: 'TCP', from_port: '22', to_port: 22, cidr: '192.0.2.0/24' }
  const opened = at(await ask(it, 'POST', '/os-security-group-rules', rule(ssh)), 'security_group_rule')
  const ruleId = (opened as { id: string }).id
  assert.deepEqual(opened, {
    id: ruleId,
    parent_group_id: id,
    ip_protocol: 'tcp',
    from_port: 22,
    to_port: 22,
    group: {},
    ip_range: { cidr: '192.0.2.0/24' },
  })
  const ofGroup = await ask(it, 'POST', '/os-security-group-rules', rule({ ip_protocol: 'udp', group_id: other }))
  assert.deepEqual(
    ['from_port', 'to_port', 'ip_range', 'group'].map((key) => at(ofGroup, 'security_group_rule', key)),
    [1, 65_535, {}, { name: 'db', tenant_id: '' }],
  )
  assert.equal((at(await ask(it, 'GET', `${path}/${id}`), 'security_group', 'rules') as unknown[]).length, 2)
  assert.equal(at(await ask(it, 'PUT', `${path}/${id}`, group('www')), 'security_group', 'name'), 'www')
  assert.equal((await ask(it, 'POST', '/os-security-group-rules', rule(ssh))).status, 400, 'it is there already')
  assert.equal((await ask(it, 'DELETE', `/os-security-group-rules/${ruleId}`)).status, 202)
  assert.equal((await ask(it, 'DELETE', `/os-security-group-rules/${ruleId}`)).status, 404)
  assert.equal((await ask(it, 'DELETE', `${path}/${id}`)).status, 202)
  assert.equal((await ask(it, 'GET', `${path}/${id}`)).status, 404)
  assert.equal((await ask(it, 'GET', `${path}/name`)).status, 400)
})

test('rules that make no sense are refused before the network service is asked', async (t) => {
  const it = await cloud(t)
  const parent = at(
    await ask(it, 'POST', '/os-security-groups', { security_group: { name: 'g', description: '' } }),
    'security_group',
    'id',
  )
  for (const more of [
    {},
    { ip_protocol: 'tcp', from_port: 5, to_port: 4 },
    { ip_protocol: 'tcp', from_port: 0, to_port: 4 },
    { ip_protocol: 'tcp', from_port: 'a', to_port: 4 },
    { ip_protocol: 'icmp', from_port: -2, to_port: 0 },
    { ip_protocol: 'carp', from_port: 1, to_port: 2 },
    { ip_protocol: 'tcp', from_port: 1, to_port: 2, cidr: 'nowhere' },
    { ip_protocol: 'tcp', from_port: 1, to_port: 2, cidr: '192.0.2.0/0' },
    { ip_protocol: 'tcp', from_port: 1, to_port: 2, group_id: 'x' },
  ])
    assert.equal(
      (await ask(it, 'POST', '/os-security-group-rules', { security_group_rule: { parent_group_id: parent, ...more } }))
        .status,
      400,
      JSON.stringify(more),
    )
  const gone = { parent_group_id: newId(), ip_protocol: 'tcp', from_port: 1, to_port: 2 }
  assert.equal((await ask(it, 'POST', '/os-security-group-rules', { security_group_rule: gone })).status, 404)
})

test('a security group comes to all ports of a server, and goes', async (t) => {
  const it = await cloud(t)
  const { id, port } = await withServer(it)
  const made = await it.call('POST', '/os-security-groups', {
    json: { security_group: { name: 'web', description: '' } },
  })
  const groups = it.kept.collections.get('security-groups')
  const group = String(at(made, 'security_group', 'id'))
  groups?.set(group, { ...groups.get(group), id: group, project_id: PROJECT })
  const version = '2.103'
  assert.equal((await act(it, id, { addSecurityGroup: { name: 'web' } }, version)).status, 202)
  assert.deepEqual(it.ports.get(port)?.securityGroups, ['one', group])
  const names = async () => at(await it.call('GET', `/servers/${id}`), 'server', 'security_groups')
  assert.deepEqual(
    await names(),
    ['one', group].toSorted().map((name) => ({ name })),
  )
  assert.equal((await act(it, id, { removeSecurityGroup: { name: group } }, version)).status, 202)
  assert.deepEqual(it.ports.get(port)?.securityGroups, ['one'])
  assert.deepEqual(await names(), [{ name: 'one' }])
  assert.equal((await act(it, id, { removeSecurityGroup: { name: 'web' } })).status, 404)
  assert.equal((await act(it, id, { addSecurityGroup: { name: 'none' } })).status, 404)
  assert.equal((await act(it, id, { addSecurityGroup: { name: ' ' } })).status, 400)
  const twin = newId()
  groups?.set(twin, { id: twin, name: 'web', project_id: PROJECT })
  assert.equal((await act(it, id, { addSecurityGroup: { name: 'web' } })).status, 409)
  it.ports.set(port, portOf({ id: port, deviceId: id, portSecurity: false }))
  assert.equal((await act(it, id, { addSecurityGroup: { name: group } })).status, 400)
  it.ports.delete(port)
  assert.equal((await act(it, id, { addSecurityGroup: { name: group } })).status, 404)
})

const anImage = (it: Cloud, more: object = {}): string => {
  const id = newId()
  const times = { created_at: '2026-01-01T00:00:00Z', updated_at: '2026-01-01T00:00:01Z' }
  it.kept.images.set(id, { id, name: 'demo', status: 'active', size: 5, min_ram: 1, min_disk: 2, ...times, ...more })
  return id
}

test('images are listed, shown and deleted in the old shape', async (t) => {
  const it = await cloud(t)
  const id = anImage(it, { os_distro: 'debian', instance_uuid: 'server-1', auto_disk_config: 'True' })
  const saving = anImage(it, { status: 'saving', name: 'other' })
  const { links, server: of, ...shown } = at(await ask(it, 'GET', `/images/${id}`), 'image') as Record<string, unknown>
  assert.deepEqual(shown, {
    id,
    name: 'demo',
    minRam: 1,
    minDisk: 2,
    metadata: { os_distro: 'debian', instance_uuid: 'server-1', auto_disk_config: 'True' },
    created: '2026-01-01T00:00:00Z',
    updated: '2026-01-01T00:00:01Z',
    status: 'ACTIVE',
    progress: 100,
    'OS-EXT-IMG-SIZE:size': 5,
    'OS-DCF:diskConfig': 'AUTO',
  })
  assert.equal((of as { id: string }).id, 'server-1')
  assert.equal((links as { href: string }[])[2]?.href, `http://image.example/images/${id}`)
  const ids = async (query: string) =>
    (at(await ask(it, 'GET', `/images${query}`), 'images') as { id: string }[]).map((one) => one.id)
  assert.deepEqual(await ids(''), [id, saving])
  assert.deepEqual(await ids('?status=SAVING'), [saving])
  assert.deepEqual(await ids('?server=http://x/servers/server-1'), [id])
  assert.deepEqual(await ids('?property-os_distro=debian'), [id])
  assert.deepEqual(await ids(`?limit=1&marker=${id}`), [saving])
  assert.match(
    String(at(await ask(it, 'GET', '/images/detail?limit=1'), 'images_links', 0, 'href')),
    /images\/detail\?limit=1&marker=/,
  )
  assert.equal((await ask(it, 'GET', '/images?marker=none')).status, 400)
  assert.equal((await ask(it, 'GET', '/images/none')).status, 404)
  it.kept.refuse = { status: 403, message: 'x' }
  assert.equal(
    at(await ask(it, 'DELETE', `/images/${id}`), 'forbidden', 'message'),
    'You are not allowed to delete the image.',
  )
  assert.equal((await ask(it, 'DELETE', `/images/${id}`)).status, 204)
  assert.equal((await ask(it, 'DELETE', `/images/${id}`)).status, 404)
  assert.equal((await it.call('GET', '/images', { version: '2.36' })).status, 404)
})

test('properties of images are changed whole and one by one, within the quota, until 2.38', async (t) => {
  const it = await cloud(t, { quota: { metadata_items: 2 } })
  const id = anImage(it, { colour: 'red' })
  const path = `/images/${id}/metadata`
  assert.deepEqual((await ask(it, 'GET', path)).body, { metadata: { colour: 'red' } })
  assert.deepEqual((await ask(it, 'POST', path, { metadata: { weight: 'big' } })).body, {
    metadata: { colour: 'red', weight: 'big' },
  })
  assert.deepEqual((await ask(it, 'GET', `${path}/weight`)).body, { meta: { weight: 'big' } })
  assert.deepEqual((await ask(it, 'PUT', `${path}/weight`, { meta: { weight: 'small' } })).body, {
    meta: { weight: 'small' },
  })
  assert.equal((await ask(it, 'PUT', `${path}/weight`, { meta: { other: 'x' } })).status, 400)
  assert.equal((await ask(it, 'POST', path, { metadata: { third: 'x' } })).status, 403)
  assert.equal((await ask(it, 'DELETE', `${path}/colour`)).status, 204)
  assert.equal((await ask(it, 'DELETE', `${path}/colour`)).status, 404)
  assert.deepEqual((await ask(it, 'PUT', path, { metadata: { only: 'x' } })).body, { metadata: { only: 'x' } })
  assert.deepEqual(it.kept.images.get(id)?.['size'], 5, 'what is no property stays')
  assert.equal((await ask(it, 'GET', '/images/none/metadata')).status, 404)
  const version = async (asked: string) => (await it.call('GET', path, { version: asked })).status
  assert.deepEqual([await version('2.38'), await version('2.39')], [200, 404])
})

test('hosts are listed and counted until 2.42, and cannot be switched', async (t) => {
  const it = await cloud(t)
  const { id } = await withServer(it)
  const call = (method: 'GET' | 'PUT', path: string, json?: unknown, version = '2.42') =>
    it.call(method, `/os-hosts${path}`, { as: 'admin', version, ...(json ? { json } : {}) })
  assert.deepEqual(at(await call('GET', ''), 'hosts'), [{ host_name: 'host1', service: 'compute', zone: 'nova' }])
  assert.deepEqual(at(await call('GET', '?zone=other'), 'hosts'), [])
  assert.deepEqual((await call('GET', '?zone=')).body, (await call('GET', '')).body)
  const shown = at(await call('GET', '/host1'), 'host') as { resource: Record<string, unknown> }[]
  assert.deepEqual(
    shown.map(({ resource }) => [resource['project'], resource['cpu'], resource['disk_gb']]),
    [
      ['(total)', 8, 100],
      ['(used_now)', 0, 0],
      ['(used_max)', 1, 1],
      [PROJECT, 1, 1],
    ],
  )
  assert.equal((await call('GET', '/none')).status, 404)
  assert.deepEqual(
    [
      (await call('PUT', '/host1', { status: 'enable' })).status,
      (await call('PUT', '/none', { status: 'enable' })).status,
      (await call('PUT', '/host1', { status: 'perhaps' })).status,
      (await call('PUT', '/host1', {})).status,
      (await call('GET', '/host1/reboot')).status,
      (await call('GET', '', undefined, '2.43')).status,
    ],
    [501, 404, 400, 400, 501, 404],
  )
  it.pass(3600_000 / 2)
  assert.equal((await call('GET', '/host1/startup')).status, 400, 'it is down')
  assert.ok(id)
})

test('bare metal nodes are not there, and were never managed here', async (t) => {
  const it = await cloud(t)
  const call = (method: 'GET' | 'POST' | 'DELETE', path: string, json?: unknown) =>
    ask(it, method, `/os-baremetal-nodes${path}`, json, 'admin')
  assert.deepEqual([(await call('GET', '')).status, (await call('GET', '/x')).status], [501, 501])
  assert.match(JSON.stringify((await call('POST', '', {})).body), /node-create/)
  assert.match(JSON.stringify((await call('DELETE', '/x')).body), /node-delete/)
  assert.match(JSON.stringify((await call('POST', '/x/action', { add_interface: {} })).body), /port-create/)
  assert.equal((await call('POST', '/x/action', { other: {} })).status, 400)
})

test('a neighbour without routers has no floating IPs; what it forbids is forbidden, what nobody foresaw tells nothing', async (t) => {
  const it = await cloud(t)
  const refused = async (status: number, path: string) => {
    it.kept.refuse = { status, message: 'its own words' }
    const answer = await ask(it, 'GET', path)
    return [answer.status, Object.values(answer.body as object)[0]] as const
  }
  assert.deepEqual(await refused(404, '/os-floating-ips'), [200, []])
  for (const path of ['/os-floating-ips', '/os-networks', '/os-security-groups', '/images'])
    assert.deepEqual(await refused(403, path), [403, { code: 403, message: 'its own words' }], path)
  const [status, fault] = await refused(418, '/os-networks')
  assert.deepEqual([status, JSON.stringify(fault).includes('its own words')], [500, false])
})
