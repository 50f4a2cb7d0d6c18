import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '@kilonova/base/clock.ts'
import { silentLog } from '@kilonova/base/log.ts'
import type { ConductorContract } from '../rpc/conductor.ts'
import type { Client } from '../rpc/contract.ts'
import { fakeDriver } from '../virt/fake/driver.ts'
import { faults } from '../virt/fake/faults.ts'
import { memoryFences } from './fence-store.ts'
import { fencing } from './fencing.ts'
import { settleOwed } from './owed.ts'

type Owed = Awaited<ReturnType<Client<ConductorContract>['owedBy']>>[number]

/** A host with one config drive of server `s`, and a conductor that holds what is owed. */
async function host() {
  const wrong = faults()
  const driver = fakeDriver({ host: 'h', clock: systemClock(), faults: wrong })
  const owed = new Map<string, Owed>()
  const conductor = {
    owedBy: async () => [...owed.values()],
    settled: async ({ id }: { id: string }) => {
      owed.delete(id)
      return null
    },
    reportHost: async () => null,
    syncPower: async () => [],
  }
  const fences = fencing(memoryFences(), 4)
  const drive = () => driver.createConfigDrive({ serverId: 's', files: {} })
  await drive()
  return {
    wrong,
    owed,
    fences,
    drive,
    drives: () => driver.inventory().configDrives,
    owe: (epoch: number) => owed.set('removal', { id: 'removal', serverId: 's', verb: 'removeFiles', epoch }),
    settle: () => settleOwed({ host: 'h', driver, fencing: fences, conductor, log: silentLog }),
  }
}

test('what is owed is done and settled; owed again later, it is done again', async () => {
  const h = await host()
  h.owe(3)
  await h.settle()
  assert.deepEqual([h.drives(), h.owed.size], [0, 0])
  await h.drive()
  h.owe(4)
  await h.settle()
  assert.deepEqual([h.drives(), h.owed.size], [0, 0])
})

test('what fails stays owed', async () => {
  const h = await host()
  h.wrong.inject('removeFiles', { at: 'before', what: 'error' })
  h.owe(3)
  await h.settle()
  assert.deepEqual([h.drives(), h.owed.size], [1, 1])
  await h.settle()
  assert.deepEqual([h.drives(), h.owed.size], [0, 0])
})

test('what a later task made is not removed for an older one, and the debt is forgotten', async () => {
  const h = await host()
  h.owe(3)
  h.fences.check({ serverId: 's', epoch: 5 })
  await h.settle()
  assert.deepEqual([h.drives(), h.owed.size], [1, 0])
})
