/** Power verbs, events and the connection under them, against a libvirtd that answers as it is told. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { silentLog as log } from '@kilonova/base/log.ts'
import { DomainRunningReason, DomainState, ErrorNumber } from '@kilonova/libvirt/constants.gen.ts'
import { fail } from '@kilonova/libvirt/fake/fail.ts'
import type { Handlers } from '@kilonova/libvirt/fake/handlers.ts'
import { fakeLibvirtd } from '@kilonova/libvirt/fake/fake-libvirtd.ts'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PowerChange } from '../driver.ts'
import { guestOf } from '../contract-values.ts'
import { openConnection } from './connection.ts'
import { factsOf } from './domain/facts-fixture.ts'
import { domainXml } from './domain-xml.ts'
import { powerEvents } from './events.ts'
import { guestsOf } from './guests.ts'
import * as lifecycle from './lifecycle.ts'

const id = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee'
const other = 'bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee'
const xmlOf = (serverId: string, installationId: string, spec = guestOf(serverId)) =>
  domainXml(factsOf(spec, { installationId }))

async function world(t: TestContext, revive?: () => Promise<unknown>, handlers: Handlers = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'lifecycle-'))
  const listen = { path: join(folder, 'sock') }
  let daemon = await fakeLibvirtd({ listen, handlers })
  const events = powerEvents('ab12', log)
  const target = { socketPath: listen.path, ...(revive ? { revive } : {}) }
  const connection = await openConnection({ target, log, opened: events.attach, patienceMs: 300, answerMs: 300 })
  t.after(async () => {
    await connection.close()
    await daemon.close()
    rmSync(folder, { recursive: true })
  })
  const told: string[] = []
  const waiting = new Set<() => void>()
  events.listen(({ event }) => {
    told.push(event)
    for (const look of waiting) look()
  })
  return {
    hypervisor: daemon.hypervisor,
    weather: daemon.weather,
    drop: () => daemon.dropAll(),
    stop: () => daemon.close(),
    restart: async () => void (daemon = await fakeLibvirtd({ listen, hypervisor: daemon.hypervisor })),
    told,
    next: (event: string) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (told.at(-1) === event) resolve(void waiting.delete(look))
        }
        waiting.add(look)
        look()
      }),
    guests: () => connection.use((client) => guestsOf(client, 'ab12')),
    context: {
      connection,
      installationId: 'ab12',
      now: () => 1_700_000_000_250,
      describe: async () => xmlOf(id, 'ab12'),
      listen: (l: (change: PowerChange) => void) => events.listen(l),
    },
  }
}

test('a guest is defined and started, once; a paused one is resumed', async (t) => {
  const w = await world(t)
  await lifecycle.start(w.context, guestOf(id))
  await lifecycle.start(w.context, guestOf(id))
  await w.next('started')
  w.hypervisor.suspend(w.hypervisor.find({ uuid: id }))
  await w.next('paused')
  await lifecycle.start(w.context, guestOf(id))
  await w.next('resumed')
  assert.deepEqual(w.told, ['started', 'paused', 'resumed'])
  assert.deepEqual(await w.guests(), [{ serverId: id, powerState: 'running' }])
})

for (const when of ['before', 'after'] as const)
  for (const call of ['domainDefineXMLFlags', 'domainCreateWithFlags'])
    test(`the connection lost ${when} ${call} had its effect: the guest runs, once`, async (t) => {
      const w = await world(t)
      w.weather.spoil(call, { kind: 'drop', when })
      await lifecycle.start(w.context, guestOf(id))
      assert.deepEqual(await w.guests(), [{ serverId: id, powerState: 'running' }])
      assert.equal(w.told.filter((event) => event === 'started').length, 1)
    })

test('what libvirt refuses is told in its words; a full disk by its name', async (t) => {
  const w = await world(t)
  w.weather.spoil('domainCreateWithFlags', { kind: 'error', code: ErrorNumber.INTERNAL_ERROR, message: 'qemu says no' })
  await assert.rejects(lifecycle.start(w.context, guestOf(id)), {
    name: 'HypervisorRefused',
    message: 'libvirt: qemu says no',
    retryable: false,
  })
  w.weather.spoil('domainCreateWithFlags', {
    kind: 'error',
    code: ErrorNumber.SYSTEM_ERROR,
    message: 'write: No space left on device',
  })
  await assert.rejects(lifecycle.start(w.context, guestOf(id)), { name: 'DiskFull', retryable: false })
})

test('a guest with a saved memory image is forgotten altogether', async (t) => {
  const w = await world(t)
  await lifecycle.start(w.context, guestOf(id))
  w.hypervisor.managedSave(w.hypervisor.find({ uuid: id }))
  await lifecycle.destroy(w.context, id)
  await lifecycle.destroy(w.context, id)
  assert.equal(w.hypervisor.domains.size, 0)
})

test('a guest is paused and goes on, however often that is asked for; one that is off is not', async (t) => {
  const w = await world(t)
  await assert.rejects(lifecycle.pause(w.context, id), { name: 'GuestNotRunning' })
  await lifecycle.start(w.context, guestOf(id))
  for (const verb of [lifecycle.pause, lifecycle.unpause]) for (let i = 0; i < 2; i++) await verb(w.context, id)
  await w.next('resumed')
  assert.deepEqual(w.told, ['started', 'paused', 'resumed'])
  assert.equal(await lifecycle.injectNmi(w.context, id), true)
  assert.equal(w.hypervisor.find({ uuid: id }).nmis, 1)
  await lifecycle.powerOff(w.context, id)
  for (const verb of [lifecycle.pause, lifecycle.unpause])
    await assert.rejects(verb(w.context, id), { name: 'GuestNotRunning' })
  assert.equal(await lifecycle.injectNmi(w.context, id), false)
})

test('a guest is suspended once, goes on from its memory, and loses it with its power', async (t) => {
  const w = await world(t)
  const suspend = () => lifecycle.suspend(w.context, id, () => {}, new AbortController().signal)
  await assert.rejects(suspend(), { name: 'GuestNotRunning' })
  await lifecycle.start(w.context, guestOf(id))
  for (const when of ['before', 'after'] as const) {
    w.weather.spoil('domainManagedSave', { kind: 'drop', when })
    await suspend()
    const domain = w.hypervisor.find({ uuid: id })
    assert.deepEqual([domain.state, domain.managedSave], [DomainState.SHUTOFF, true])
    await lifecycle.start(w.context, guestOf(id))
    assert.deepEqual([domain.reason, domain.managedSave], [DomainRunningReason.RESTORED, false])
  }
  await suspend()
  await lifecycle.powerOff(w.context, id)
  assert.equal(w.hypervisor.find({ uuid: id }).managedSave, false)
  await assert.rejects(suspend(), { name: 'GuestNotRunning' })
})

test('a guest of whose memory only a part was written is not suspended', async (t) => {
  const incomplete = 'operation failed: save image is incomplete'
  const w = await world(t, undefined, {
    domainManagedSaveGetXMLDesc: () => fail(ErrorNumber.OPERATION_FAILED, incomplete),
  })
  await lifecycle.start(w.context, guestOf(id))
  const domain = w.hypervisor.find({ uuid: id })
  w.hypervisor.managedSave(domain)
  await assert.rejects(
    lifecycle.suspend(w.context, id, () => {}, new AbortController().signal),
    { name: 'GuestNotRunning' },
  )
})

test('a guest with an agent is told the time when it goes on; one without finds out by itself', async (t) => {
  const w = await world(t)
  const spec = guestOf(id, { imageProperties: { hw_qemu_guest_agent: 'yes' } })
  const context = { ...w.context, describe: async () => xmlOf(id, 'ab12', spec) }
  const suspend = () => lifecycle.suspend(context, id, () => {}, new AbortController().signal)
  await lifecycle.start(context, spec)
  const domain = w.hypervisor.find({ uuid: id })
  w.hypervisor.setAgent(domain, true)
  await suspend()
  await lifecycle.start(context, spec)
  assert.deepEqual(domain.times, [1_700_000_000_250_000_000n])
  w.hypervisor.setAgent(domain, false)
  await suspend()
  await lifecycle.start(context, spec)
  assert.deepEqual([domain.state, domain.times.length], [DomainState.RUNNING, 1])
})

test('a suspend that is not wanted any more is stopped, and the guest runs on', async (t) => {
  const begun = Promise.withResolvers<void>()
  const aborted = Promise.withResolvers<void>()
  const w = await world(t, undefined, {
    domainManagedSave: async () => {
      begun.resolve()
      await aborted.promise
      fail(ErrorNumber.OPERATION_ABORTED, 'operation aborted: job canceled by client')
    },
    domainAbortJob: () => aborted.resolve(),
  })
  await lifecycle.start(w.context, guestOf(id))
  const wanted = new AbortController()
  const suspending = lifecycle.suspend(w.context, id, () => {}, wanted.signal)
  await begun.promise
  wanted.abort(new Error('not wanted'))
  await assert.rejects(suspending)
  assert.deepEqual(await w.guests(), [{ serverId: id, powerState: 'running' }])
})

test('a domain of another installation is neither listed, told of, nor touched', async (t) => {
  const w = await world(t)
  const theirs = w.hypervisor.define(xmlOf(other, 'cd34'))
  w.hypervisor.start(theirs)
  for (const verb of [lifecycle.powerOff, lifecycle.destroy, lifecycle.shutdown]) await verb(w.context, other)
  assert.deepEqual(await w.guests(), [])
  assert.equal(theirs.state, DomainState.RUNNING)
  assert.deepEqual(w.told, [])
})

test('what happened while libvirtd was away is told when it is back, once', async (t) => {
  const w = await world(t)
  await lifecycle.start(w.context, guestOf(id))
  await w.next('started')
  await w.stop()
  w.hypervisor.crash(w.hypervisor.find({ uuid: id }))
  await w.restart()
  await w.next('stopped')
  assert.deepEqual(w.told, ['started', 'stopped'])
  await lifecycle.start(w.context, guestOf(id))
  await w.next('started')
})

test('libvirtd is started again by who may; who may not says that it does not answer', async (t) => {
  const reviving = await world(t, () => reviving.restart())
  await reviving.stop()
  assert.deepEqual(await reviving.guests(), [])
  const waiting = await world(t)
  await waiting.stop()
  await assert.rejects(waiting.guests(), { name: 'HypervisorUnavailable', retryable: true })
})

test('the log daemon that libvirtd misses is started again, once', async (t) => {
  let revived = 0
  const w = await world(t, async () => revived++)
  const missing = {
    kind: 'error',
    code: ErrorNumber.SYSTEM_ERROR,
    message: "Failed to connect socket to 'virtlogd-sock'",
  } as const
  w.weather.spoil('domainCreateWithFlags', missing)
  await lifecycle.start(w.context, guestOf(id))
  assert.equal(revived, 1)
  await lifecycle.powerOff(w.context, id)
  w.weather.spoil('domainCreateWithFlags', missing, { times: 2 })
  await assert.rejects(lifecycle.start(w.context, guestOf(id)), { name: 'HypervisorRefused', retryable: true })
})

test('a call that libvirt never answers is given up, so that the power can still be taken', async (t) => {
  const w = await world(t)
  const { promise: until, resolve } = Promise.withResolvers<void>()
  t.after(() => resolve())
  w.weather.spoil('domainCreateWithFlags', { kind: 'hold', until })
  await assert.rejects(lifecycle.start(w.context, guestOf(id)), { name: 'HypervisorUnavailable', retryable: true })
  await lifecycle.destroy(w.context, id)
  assert.equal(w.hypervisor.domains.size, 0)
})
