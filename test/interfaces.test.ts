/** Interfaces of servers that run: what their record, their guest and the network service have after each change, over fake hosts and the companion. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { silentLog } from '@kilonova/base/log.ts'
import { attachInterface } from '@kilonova/kilonova/actions/attach-interface.ts'
import { detachInterface } from '@kilonova/kilonova/actions/detach-interface.ts'
import { rebootHard } from '@kilonova/kilonova/actions/reboot.ts'
import { portFactsOf } from '@kilonova/kilonova/actions/ports.ts'
import { pause } from '@kilonova/kilonova/actions/pause.ts'
import { stop } from '@kilonova/kilonova/actions/stop.ts'
import { suspend } from '@kilonova/kilonova/actions/suspend.ts'
import type { ServerAction } from '@kilonova/kilonova/actions/define.ts'
import { networkChanges } from '@kilonova/kilonova/clients/network-changes.ts'
import { startNetworkWatch } from '@kilonova/kilonova/conductor/network-watch.ts'
import { life } from './battery/life.ts'
import { world, type World } from './battery/world.ts'

const SOON_MS = 20_000
let w: World
let ends: (() => Promise<unknown>)[] = []
let admin: Awaited<ReturnType<World['person']>>

before(async () => {
  w = await world()
  admin = await w.person('admin')
  w.setWeather('calm')
  const conductor = await w.conductor(life())
  const hosts = await Promise.all(w.hosts.map((host) => w.startHost(host)))
  const changes = networkChanges(w.keystone, { endpoint: w.networkUrl })
  const watch = startNetworkWatch(
    { db: w.db, bus: w.bus, changes, clock: w.clock, log: silentLog },
    { name: 'conductor', leaseMs: 300 },
  )
  ends = [() => watch.close(), () => conductor.close(), ...hosts.map((host) => () => host.close()), () => w.close()]
  // Its first look at everything.
  await delay(500)
})
after(async () => {
  for (const end of ends) await end()
})

async function running(portId?: string): Promise<string> {
  const { serverId, taskId } = await w.create(portId)
  assert.equal(await w.ended(taskId), 'succeeded')
  return serverId
}
async function done(action: ServerAction, serverId: string, wish?: object): Promise<'succeeded' | 'undone'> {
  return w.ended((await w.ask(action, serverId, wish)).taskId)
}
async function seen(serverId: string) {
  const server = await w.server(serverId)
  const facts = await portFactsOf(w.neutron, server)
  const driver = w.drivers.get(server.host ?? '')
  return {
    server,
    /** Of the guest, in its order. */
    cards: (await driver?.guestNics(serverId))?.map(({ mac }) => mac),
    macs: facts.map(({ mac }) => mac),
    tags: facts.map(({ tag }) => tag ?? null),
    ports: facts.map(({ portId }) => portId),
    addresses: server.addresses.map(({ portId }) => portId),
  }
}
const portOf = async (id: string) => {
  const { status, body } = await admin.call('GET', `/v2.0/ports/${id}`)
  return status === 404 ? undefined : (body as { port: Record<string, unknown> }).port
}
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + SOON_MS; !(await holds());) {
    assert.ok(performance.now() < end, 'it does not become so')
    await delay(5)
  }
}

test('a tagged port of the user comes as the last card, others keep theirs, and all survive a hard reboot', async () => {
  const id = await running(await w.userPort())
  const mine = await w.userPort()
  assert.equal(await done(attachInterface, id, { networkId: w.network, portId: mine, tag: 'back' }), 'succeeded')
  assert.equal(await done(attachInterface, id, { networkId: w.network, tag: 'third' }), 'succeeded')
  const four = await seen(id)
  assert.deepEqual(four.tags, [null, null, 'back', 'third'])
  assert.deepEqual(four.cards, four.macs)
  assert.deepEqual(four.addresses, four.ports)
  assert.equal(four.ports[2], mine)
  assert.equal((await portOf(mine))?.['binding:host_id'], four.server.host)

  assert.equal(await done(detachInterface, id, { portId: four.ports[0] }), 'succeeded')
  const three = await seen(id)
  assert.deepEqual(three.ports, four.ports.slice(1))
  assert.deepEqual(three.tags, [null, 'back', 'third'])
  assert.deepEqual(three.cards, three.macs)
  assert.deepEqual(three.addresses, three.ports)
  assert.equal(await portOf(four.ports[0] ?? ''), undefined, 'it was made for the server')

  assert.equal(await done(rebootHard, id), 'succeeded')
  assert.deepEqual((await seen(id)).cards, three.macs)
  assert.equal(await done(detachInterface, id, { portId: mine }), 'succeeded')
  assert.equal((await portOf(mine))?.['device_id'], '')
  assert.deepEqual((await seen(id)).tags, [null, 'third'])
})

test('every interface of a server is as fast as its flavor lets it be, however it came, and whatever is told of its port', async () => {
  const extraSpecs = { 'quota:vif_inbound_average': '1000', 'quota:vif_outbound_average': '2000' }
  const { flavor } = await w.server(await running())
  const [asked] = await w.createSeveral(1, { flavor: { ...flavor, extraSpecs } })
  const { serverId: id = '', taskId = '' } = asked ?? {}
  assert.equal(await w.ended(taskId), 'succeeded')
  assert.equal(await done(attachInterface, id, { networkId: w.network }), 'succeeded')
  const { ports, server } = await seen(id)
  const plugged = () => ports.map((port) => w.drivers.get(server.host ?? '')?.portFacts(port))
  const quota = { inbound: { averageKib: 1000 }, outbound: { averageKib: 2000 } }
  const areHeld = () =>
    assert.deepEqual(
      plugged().map((facts) => facts?.quota),
      [quota, quota],
    )
  areHeld()
  for (const port of ports) await admin.call('PUT', `/v2.0/ports/${port}`, { port: { admin_state_up: false } })
  await until(async () => plugged().every((facts) => facts?.adminUp === false))
  areHeld()
  assert.equal(await done(rebootHard, id), 'succeeded')
  areHeld()
})

test('a server without any interface gets one, paused or off, and loses it', async () => {
  for (const standing of [pause, stop]) {
    const id = await running()
    for (const { portId } of (await w.server(id)).addresses)
      assert.equal(await done(detachInterface, id, { portId }), 'succeeded')
    assert.deepEqual((await w.server(id)).requestedNics, [])
    assert.equal(await done(standing, id), 'succeeded')
    assert.equal(await done(attachInterface, id, { networkId: w.network }), 'succeeded')
    const { macs, cards, server } = await seen(id)
    assert.deepEqual([cards, macs.length, server.vmState], [macs, 1, standing === pause ? 'paused' : 'stopped'])
  }
})

test('what the network service refuses ends with its reason, and with nothing left', async () => {
  const id = await running()
  const before = await seen(id)
  const small = await admin.call('POST', '/v2.0/networks', { network: { name: 'small', shared: true } })
  const network_id = (small.body as { network: { id: string } }).network.id
  await admin.call('POST', '/v2.0/subnets', {
    subnet: { network_id, ip_version: 4, cidr: '10.1.0.0/30', gateway_ip: '10.1.0.1', enable_dhcp: false },
  })
  await admin.call('POST', '/v2.0/ports', { port: { network_id } })
  const used = before.server.addresses[0]?.address
  const other = await running(await w.userPort())
  const taken = (await w.server(other)).addresses.at(-1)?.portId
  const own = before.addresses[0]
  for (const [wish, code, message] of [
    [{ networkId: network_id }, 400, `No fixed IP addresses available for network: ${network_id}`],
    [{ networkId: w.network, fixedIp: used }, 409, `Fixed IP ${used} is already in use.`],
    [
      { networkId: w.network, fixedIp: '192.0.2.1' },
      400,
      `Fixed IP 192.0.2.1 is not a valid ip address for network ${w.network}.`,
    ],
    [{ networkId: w.network, portId: taken }, 409, `Port ${taken} is still in use.`],
    [{ networkId: w.network, portId: own }, 409, `Port ${own} is still in use.`],
  ] as const) {
    assert.equal(await done(attachInterface, id, wish), 'undone')
    const now = await seen(id)
    assert.deepEqual([now.server.fault?.code, now.server.fault?.message], [code, message])
    assert.deepEqual({ ...now, server: 0 }, { ...before, server: 0 })
  }
  assert.equal((await portOf(taken ?? ''))?.['device_id'], other)
})

test('a guest that does not let go keeps its interface, and its server a fault', async () => {
  const id = await running()
  const before = await seen(id)
  const driver = w.drivers.get(before.server.host ?? '')
  driver?.holdCards(id, true)
  assert.equal(await done(detachInterface, id, { portId: before.ports[0] }), 'undone')
  const kept = await seen(id)
  assert.match(kept.server.fault?.message ?? '', /does not let go/)
  assert.deepEqual({ ...kept, server: 0 }, { ...before, server: 0 })
  driver?.holdCards(id, false)
  assert.equal(await done(detachInterface, id, { portId: before.ports[0] }), 'succeeded')
})

test('a port that is deleted or taken away in the network service is detached here, too', async () => {
  const mine = await w.userPort()
  const id = await running(mine)
  const before = await seen(id)
  const made = before.ports[0] ?? ''
  assert.equal((await admin.call('DELETE', `/v2.0/ports/${made}`)).status, 204)
  await until(async () => (await seen(id)).cards?.length === 1 && (await w.server(id)).taskId === null)
  assert.deepEqual(
    (await w.server(id)).addresses.map(({ portId }) => portId),
    [mine],
  )
  await admin.call('PUT', `/v2.0/ports/${mine}`, { port: { device_id: '', device_owner: '', 'binding:host_id': '' } })
  await until(async () => (await seen(id)).cards?.length === 0 && (await w.server(id)).taskId === null)
  const { server } = await seen(id)
  assert.deepEqual([server.addresses, server.requestedNics, server.vmState], [[], [], 'active'])
  assert.equal((await portOf(mine))?.['device_id'], '')
})

test('several that are lost while the server has a task go after it, and what is suspended waits', async () => {
  const id = await running(await w.userPort())
  const { ports } = await seen(id)
  assert.equal(await done(suspend, id), 'succeeded')
  for (const port of ports) await admin.call('DELETE', `/v2.0/ports/${port}`)
  await delay(1_000)
  assert.equal((await w.server(id)).addresses.length, 2)
  const { taskId } = await w.ask(rebootHard, id)
  assert.equal(await w.ended(taskId), 'succeeded')
  // As an event of the network service would: they are looked at again.
  assert.deepEqual((await seen(id)).cards, [])
})
