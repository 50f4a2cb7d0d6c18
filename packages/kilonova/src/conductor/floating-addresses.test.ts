import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { newId } from '@kilonova/base/clock.ts'
import { setAddresses } from '../db/server-columns.ts'
import { findServer, insertServer } from '../db/servers.ts'
import { testDatabase } from '../db/testing/test-database.ts'
import { demoServer } from '../domain/server-fixture.ts'
import type { Address } from '../domain/server.ts'
import { showFloatingIps } from './floating-addresses.ts'

const fixed = (address: string): Address => ({
  network: 'private',
  networkId: 'n',
  portId: `port-${address}`,
  address,
  version: 4,
  mac: 'fa:16:3e:00:00:01',
})

async function twoServers(t: TestContext) {
  const db = await testDatabase(t)
  const make = async (...addresses: readonly Address[]): Promise<string> => {
    const { taskId: _t, epoch: _e, ...server } = demoServer({ id: newId() })
    await insertServer(db, server, newId())
    await setAddresses(db, server.id, addresses)
    return server.id
  }
  const ids = [await make(fixed('10.0.0.5'), fixed('10.0.0.6')), await make(fixed('10.0.0.7'))] as const
  return {
    db,
    ids,
    lead: (address: string, fixedAddress: string, serverId: string) => ({
      address,
      fixedAddress,
      portId: `port-${fixedAddress}`,
      serverId,
    }),
    shown: async () =>
      Promise.all(
        ids.map(async (id) =>
          (await findServer(db, id))?.addresses.map(({ address, type }) => `${type ?? 'fixed'} ${address}`),
        ),
      ),
  }
}

test('a floating IP is shown behind the address that it leads to, moves with it and goes', async (t) => {
  const { db, ids, lead, shown } = await twoServers(t)
  const show = showFloatingIps(db)
  await show([lead('172.24.4.9', '10.0.0.5', ids[0]), lead('172.24.4.10', '10.9.9.9', ids[1])])
  assert.deepEqual(await shown(), [['fixed 10.0.0.5', 'floating 172.24.4.9', 'fixed 10.0.0.6'], ['fixed 10.0.0.7']])
  await show([lead('172.24.4.9', '10.0.0.7', ids[1])])
  assert.deepEqual(await shown(), [
    ['fixed 10.0.0.5', 'fixed 10.0.0.6'],
    ['fixed 10.0.0.7', 'floating 172.24.4.9'],
  ])
  await show([])
  assert.deepEqual(await shown(), [['fixed 10.0.0.5', 'fixed 10.0.0.6'], ['fixed 10.0.0.7']])
})

test('who takes over removes what an earlier one had shown', async (t) => {
  const { db, ids, lead, shown } = await twoServers(t)
  await showFloatingIps(db)([lead('172.24.4.9', '10.0.0.7', ids[1])])
  await showFloatingIps(db)([])
  assert.deepEqual(await shown(), [['fixed 10.0.0.5', 'fixed 10.0.0.6'], ['fixed 10.0.0.7']])
})
