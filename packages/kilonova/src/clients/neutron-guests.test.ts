/** What the network service is asked of a guest, and what its silence means. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { neutronGuests } from './neutron-guests.ts'
import { fakeKeystone, httpService, type Table } from './testing.ts'

async function guests(t: TestContext, table: Table) {
  const service = await httpService(t, table)
  return { service, client: neutronGuests(fakeKeystone({ network: service.url }), { endpoint: undefined }) }
}

test('public addresses are those that routers lead to the ports', async (t) => {
  const { service, client } = await guests(t, ({ path }) =>
    path === '/v2.0/floatingips' ? { json: { floatingips: [{ floating_ip_address: '203.0.113.7' }] } } : undefined,
  )
  assert.deepEqual(await client.publicIps(['p1', 'p2']), ['203.0.113.7'])
  assert.deepEqual(service.asked[0]?.query.getAll('port_id'), ['p1', 'p2'])
  assert.deepEqual(await client.publicIps([]), [])
  assert.equal(service.asked.length, 1)
  const without = await guests(t, () => undefined)
  assert.deepEqual(await without.client.publicIps(['p1']), [])
  const broken = await guests(t, () => ({ status: 500 }))
  await assert.rejects(broken.client.publicIps(['p1']), { name: 'ServiceUnavailable' })
})

test('behind a metadata provider is the one port with that address in its networks', async (t) => {
  const port = { device_id: 'server-1', project_id: 'project-1' }
  let ports: readonly object[] = [port]
  let subnets: readonly object[] = [{ network_id: 'n1' }, { network_id: 'n1' }, { network_id: 'n2' }]
  const { service, client } = await guests(t, ({ path }) =>
    path === '/v2.0/subnets' ? { json: { subnets } } : { json: { ports } },
  )
  assert.deepEqual(await client.portBehind('nsx-1', '10.0.0.5'), { serverId: 'server-1', projectId: 'project-1' })
  assert.equal(service.asked[0]?.query.get('advanced_service_providers'), 'nsx-1')
  assert.equal(service.asked[1]?.query.get('fixed_ips'), 'ip_address=10.0.0.5')
  assert.deepEqual(service.asked[1]?.query.getAll('network_id'), ['n1', 'n2'])
  ports = [port, port]
  assert.equal(await client.portBehind('nsx-1', '10.0.0.5'), undefined)
  subnets = []
  assert.equal(await client.portBehind('nsx-2', '10.0.0.5'), undefined)
})
