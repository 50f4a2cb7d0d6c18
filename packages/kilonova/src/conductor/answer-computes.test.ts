import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId, systemClock } from '@kilonova/base/clock.ts'
import { silentLog } from '@kilonova/base/log.ts'
import { setPlace } from '../db/server-columns.ts'
import { findServer, insertServer, transition } from '../db/servers.ts'
import { testDatabase } from '../db/testing/test-database.ts'
import { demoServer } from '../domain/server-fixture.ts'
import { CONDUCTOR, conductor } from '../rpc/conductor.ts'
import { client } from '../rpc/contract.ts'
import { memoryBus } from '../rpc/memory/bus.ts'
import { answerComputes } from './answer-computes.ts'

test('a host is told which guests are over: deleted or elsewhere, never those of servers nobody knows', async (t) => {
  const db = await testDatabase(t)
  const bus = memoryBus()
  const ask = async () => 'running' as const
  t.after(answerComputes({ db, bus, clock: systemClock(), log: silentLog, ask, defaultZone: 'nova' }))
  const server = async (host: string, vmState: 'active' | 'deleted', busy = false): Promise<string> => {
    const id = newId()
    const { taskId: _t, epoch: _e, ...made } = demoServer({ id })
    await insertServer(db, made, newId())
    await setPlace(db, id, { host, hypervisorHostname: host, availabilityZone: 'nova' })
    const row = await findServer(db, id)
    assert.ok(row)
    assert.ok(await transition(db, row, { vmState, ...(busy ? {} : { taskId: null, taskState: null }) }, 1))
    return id
  }
  const here = await server('host-1', 'active')
  const deleted = await server('host-1', 'deleted')
  const elsewhere = await server('host-2', 'active')
  const leaving = await server('host-2', 'active', true)
  const guests = [here, deleted, elsewhere, leaving, newId()].map((serverId) => ({
    serverId,
    powerState: 'running' as const,
  }))

  const call = client(conductor, bus, CONDUCTOR, { requestId: 'req-1', userId: '-', projectId: '-' })
  assert.deepEqual((await call.syncPower({ host: 'host-1', guests })).toSorted(), [deleted, elsewhere].toSorted())
})
