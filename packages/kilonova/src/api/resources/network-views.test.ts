/** What a server says of its network over HTTP: addresses, interfaces, security groups; and what the network service tells us. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setAddresses } from '../../db/server-columns.ts'
import { SERVER_EVENT } from '../../rpc/conductor.ts'
import { at, cloud, portOf, server, settled } from '../testing/cloud.ts'

test('addresses are shown by network', async (t) => {
  const it = await cloud(t)
  const id = await server(it)
  await setAddresses(it.db, id, [
    { network: 'private', networkId: 'n', portId: 'p', address: '10.0.0.5', version: 4, mac: 'fa:16:3e:00:00:01' },
  ])
  assert.deepEqual((await it.call('GET', `/servers/${id}/ips`)).body, {
    addresses: { private: [{ version: 4, addr: '10.0.0.5' }] },
  })
  assert.deepEqual((await it.call('GET', `/servers/${id}/ips/private`)).body, {
    private: [{ version: 4, addr: '10.0.0.5' }],
  })
  assert.equal((await it.call('GET', `/servers/${id}/ips/other`)).status, 404)
  assert.deepEqual(at(await it.call('GET', `/servers/${id}`), 'server', 'addresses'), {
    private: [
      { version: 4, addr: '10.0.0.5', 'OS-EXT-IPS:type': 'fixed', 'OS-EXT-IPS-MAC:mac_addr': 'fa:16:3e:00:00:01' },
    ],
  })
  assert.equal(at(await it.call('GET', '/servers?ip=10.0.0'), 'servers', 0, 'id'), id)
  assert.deepEqual(at(await it.call('GET', '/servers?ip=10.9'), 'servers'), [])

  const fixed = { network: 'private', networkId: 'n', portId: 'p', address: '10.0.0.5', version: 4, mac: 'm' } as const
  await setAddresses(it.db, id, [fixed, { ...fixed, address: '172.24.4.9', type: 'floating' }])
  assert.deepEqual(at(await it.call('GET', `/servers/${id}`), 'server', 'addresses', 'private', 1), {
    version: 4,
    addr: '172.24.4.9',
    'OS-EXT-IPS:type': 'floating',
    'OS-EXT-IPS-MAC:mac_addr': 'm',
  })
  assert.equal(at(await it.call('GET', `/servers/${id}/ips/private`), 'private', 1, 'addr'), '172.24.4.9')
  assert.deepEqual(at(await it.call('GET', '/servers?ip=172.24'), 'servers'), [], 'it is asked for by its own address')
})

test('interfaces and security groups are those of its ports', async (t) => {
  const it = await cloud(t)
  const id = await server(it)
  it.securityGroups.set('web', 'g1')
  const port = portOf({ deviceId: id, securityGroups: ['g1'] })
  it.ports.set(port.id, port)
  const list = await it.call('GET', `/servers/${id}/os-interface`)
  assert.deepEqual(
    [at(list, 'interfaceAttachments', 0, 'port_id'), at(list, 'interfaceAttachments', 0, 'fixed_ips', 0, 'ip_address')],
    [port.id, '10.0.0.5'],
  )
  assert.equal(
    at(await it.call('GET', `/servers/${id}/os-interface/${port.id}`), 'interfaceAttachment', 'net_id'),
    port.networkId,
  )
  assert.equal((await it.call('GET', `/servers/${id}/os-interface/none`)).status, 404)
  assert.equal(at(await it.call('GET', `/servers/${id}/os-security-groups`), 'security_groups', 0, 'name'), 'web')
})

test('an event of another service becomes a row, and whoever waits is woken', async (t) => {
  const it = await cloud(t)
  const id = await server(it)
  const homeless = await server(it)
  await settled(it, id)
  const woken: unknown[] = []
  t.after(it.bus.subscribe(SERVER_EVENT, (event) => woken.push(event)))
  const event = (server_uuid: string) => ({
    name: 'network-vif-plugged',
    server_uuid,
    tag: 'port',
    status: 'completed',
  })
  const send = (events: object[], as = 'service') =>
    it.call('POST', '/os-server-external-events', { json: { events }, as })
  assert.equal((await send([event(id)], 'member')).status, 403)
  const good = await send([event(id)])
  assert.deepEqual([good.status, at(good, 'events', 0, 'code')], [200, 200])
  const mixed = await send([event(id), event(homeless), event('00000000-0000-0000-0000-000000000000')])
  assert.deepEqual([mixed.status, at(mixed, 'events', 1, 'code'), at(mixed, 'events', 2, 'code')], [207, 422, 404])
  assert.equal((await send([{ ...event(id), name: 'volume-extended' }])).status, 400)
  assert.equal((await it.db.selectFrom('events').selectAll().execute()).length, 2)
  assert.deepEqual(woken, [{ serverId: id }, { serverId: id }])
})
