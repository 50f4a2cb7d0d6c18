/** Attaching and detaching interfaces over HTTP: what is asked for, what is refused, and when it is answered. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { findServer } from '../../db/servers.ts'
import { attaches } from '../testing/attaching.ts'
import { at, cloud, networkOf, OTHER_PROJECT, portOf, server, settled } from '../testing/cloud.ts'

async function scene(t: TestContext) {
  const it = await cloud(t)
  const id = await server(it)
  await settled(it, id)
  const path = `/servers/${id}/os-interface`
  const attach = (interfaceAttachment?: object, version = '2.103', as = 'member') =>
    it.call('POST', path, { json: interfaceAttachment ? { interfaceAttachment } : {}, version, as })
  const becomes = (columns: object) => it.db.updateTable('servers').set(columns).where('id', '=', id).execute()
  const tasks = async () =>
    (await it.db.selectFrom('tasks').select(['action', 'body']).where('action', '!=', 'create').execute()).map(
      ({ action, body }) => ({ action, body: JSON.parse(body) as unknown }),
    )
  const [network = ''] = it.networks.keys()
  return { it, id, path, network, attach, becomes, tasks }
}
const refusal = (answer: { status: number; body: unknown }) => {
  const [fault] = Object.values(answer.body as Record<string, { message: string }>)
  return [answer.status, fault?.message]
}

test('it is answered when it is attached, with the interface: on the only network, on one that is named, on a port', async (t) => {
  const { it, id, path, network, attach, tasks } = await scene(t)
  attaches(it)
  const mine = portOf({ networkId: network })
  it.ports.set(mine.id, mine)
  for (const [asked, body] of [
    [undefined, { networkId: network }],
    [
      { net_id: network, fixed_ips: [{ ip_address: '10.0.0.9' }], tag: 'back' },
      { networkId: network, fixedIp: '10.0.0.9', tag: 'back' },
    ],
    [{ port_id: mine.id }, { networkId: network, portId: mine.id }],
  ] as const) {
    const answer = await attach(asked)
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
    assert.deepEqual(Object.keys(at(answer, 'interfaceAttachment') as object), [
      'net_id',
      'port_id',
      'mac_addr',
      'port_state',
      'fixed_ips',
      'tag',
    ])
    assert.equal(at(answer, 'interfaceAttachment', 'net_id'), network)
    assert.deepEqual((await tasks()).at(-1), { action: 'attachInterface', body })
  }
  assert.equal((at(await it.call('GET', path), 'interfaceAttachments') as object[]).length, 3)
  const actions = await it.call('GET', `/servers/${id}/os-instance-actions`)
  assert.equal(at(actions, 'instanceActions', 0, 'action'), 'attach_interface')
})

test('what cannot be attached is refused before anything begins', async (t) => {
  const { it, id, network, attach, tasks } = await scene(t)
  const [used, bare, foreign] = [
    portOf({ deviceId: 'somebody' }),
    portOf({ fixedIps: [] }),
    portOf({ projectId: OTHER_PROJECT }),
  ]
  const outside = networkOf({ external: true, shared: false })
  const empty = networkOf({ subnets: [], shared: false })
  for (const port of [used, bare, foreign]) it.ports.set(port.id, port)
  for (const each of [outside, empty]) it.networks.set(each.id, each)
  const none = '00000000-0000-4000-8000-000000000000'
  for (const [asked, status, message] of [
    [{ net_id: network, port_id: used.id }, 400, 'Must not input both network_id and port_id'],
    [{ fixed_ips: [{ ip_address: '10.0.0.9' }] }, 400, 'Must input network_id when request IP address'],
    [{ port_id: none }, 404, `Port id ${none} could not be found.`],
    [{ net_id: none }, 404, `Network ${none} could not be found.`],
    [{ port_id: used.id }, 409, `Port ${used.id} is still in use.`],
    [{ port_id: foreign.id }, 400, `Port ${foreign.id} not usable for instance ${id}.`],
    [{ port_id: bare.id }, 400, `Port ${bare.id} requires a FixedIP in order to be used.`],
    [{ net_id: outside.id }, 403, `It is not allowed to create an interface on external network ${outside.id}`],
    [{ net_id: empty.id }, 400, `Network ${empty.id} requires a subnet in order to boot instances on.`],
  ] as const)
    assert.deepEqual(refusal(await attach(asked)), [status, message])
  for (const wrong of [
    { net_id: 'x' },
    { port_id: null },
    { fixed_ips: [] },
    { fixed_ips: [{ ip_address: 'x' }], net_id: network },
    { tag: 'a/b' },
    { other: 1 },
  ])
    assert.equal((await attach(wrong)).status, 400, JSON.stringify(wrong))
  assert.equal((await attach({ tag: 'front' }, '2.48')).status, 400)
  it.networks.set('second', networkOf({ id: 'second' }))
  assert.deepEqual(refusal(await attach()), [
    400,
    'More than one possible network found. Specify network ID(s) to select which one(s) to connect to.',
  ])
  for (const each of it.networks.keys()) it.networks.delete(each)
  assert.equal((await attach()).status, 400)
  assert.deepEqual(await tasks(), [])
})

test('states and locks stand in the way of both', async (t) => {
  const { it, id, path, attach, becomes, tasks } = await scene(t)
  attaches(it)
  const port = portOf({ deviceId: id })
  it.ports.set(port.id, port)
  const detach = () => it.call('DELETE', `${path}/${port.id}`)
  for (const change of [{ vm_state: 'suspended' }, { vm_state: 'active', task_state: 'rebooting' }]) {
    await becomes(change)
    assert.deepEqual([(await attach()).status, (await detach()).status], [409, 409], JSON.stringify(change))
  }
  await becomes({ task_state: null, locked: 1, locked_by: 'owner' })
  assert.deepEqual(refusal(await attach()), [409, `Instance ${id} is locked`])
  assert.equal((await detach()).status, 409)
  assert.deepEqual(await tasks(), [])
  await becomes({ locked: 0 })
  for (const state of ['paused', 'stopped']) {
    await becomes({ vm_state: state })
    assert.equal((await attach()).status, 200)
  }
  assert.equal((await detach()).status, 202)
})

test('an attach that fails is answered with the reason, as its kind has it', async (t) => {
  const { it, attach } = await scene(t)
  const faults = [
    { code: 400, message: 'No fixed IP addresses available for network: n' },
    { code: 409, message: 'Fixed IP 10.0.0.9 is already in use.' },
    { code: 500, message: 'libvirt: no more slots' },
  ]
  const left = [...faults]
  attaches(it, () => left.shift())
  for (const { code, message } of faults) assert.deepEqual(refusal(await attach()), [code, message])
})

test('a detach is answered at once; what is asked for meanwhile waits its turn', async (t) => {
  const { it, id, path, attach, tasks } = await scene(t)
  const port = portOf({ deviceId: id })
  it.ports.set(port.id, port)
  const foreign = portOf({ deviceId: 'another' })
  it.ports.set(foreign.id, foreign)
  for (const no of [foreign.id, 'none']) assert.equal((await it.call('DELETE', `${path}/${no}`)).status, 404)
  assert.equal((await it.call('DELETE', `${path}/${port.id}`)).status, 202)
  assert.deepEqual(await tasks(), [{ action: 'detachInterface', body: { portId: port.id } }])
  assert.equal((await findServer(it.db, id))?.taskState, 'detaching-interface')
  attaches(it)
  const waiting = attach()
  assert.equal((await tasks()).length, 1)
  await settled(it, id)
  assert.equal((await waiting).status, 200)
})
