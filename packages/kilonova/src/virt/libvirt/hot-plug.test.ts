/** Cards of a guest that runs, against a libvirtd that answers as it is told: above all guests that do not let go at once. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { silentLog as log } from '@kilonova/base/log.ts'
import { DomainDeviceModifyFlags, DomainXMLFlags, ErrorNumber } from '@kilonova/libvirt/constants.gen.ts'
import { fail } from '@kilonova/libvirt/fake/fail.ts'
import { fakeLibvirtd } from '@kilonova/libvirt/fake/fake-libvirtd.ts'
import { domainHandlers } from '@kilonova/libvirt/fake/handlers.ts'
import { guestOf } from '../contract-values.ts'
import { openConnection } from './connection.ts'
import { factsOf } from './domain/facts-fixture.ts'
import { nicXml } from './domain/nics.ts'
import { domainXml } from './domain-xml.ts'
import { cardIn, plugCard, unplugCard } from './hot-plug.ts'

const id = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee'
const spec = guestOf(id)
const nic = (tap: string) => ({ mac: `fa:16:3e:00:00:0${tap.at(-1)}`, mtu: 1450, tap })
const [first, second] = [nic('kt1'), nic('kt2')]
const never = new AbortController().signal

/** A guest with the first card. It lets go of a card when it was asked so often. */
async function world(t: TestContext, letsGoAt = 1, attempts = 3) {
  const folder = mkdtempSync(join(tmpdir(), 'hot-plug-'))
  const listen = { path: join(folder, 'sock') }
  let asked = 0
  const daemon = await fakeLibvirtd({
    listen,
    handlers: {
      domainDetachDeviceFlags: (call, serving) => {
        const live = ((call.flags ?? 0) & DomainDeviceModifyFlags.LIVE) !== 0
        if (!live) return domainHandlers.domainDetachDeviceFlags?.(call, serving)
        if (++asked >= letsGoAt) return domainHandlers.domainDetachDeviceFlags?.(call, serving)
        if (asked > 1) fail(ErrorNumber.INTERNAL_ERROR, 'Device net0 is already in the process of unplug')
      },
    },
  })
  const connection = await openConnection({ target: { socketPath: listen.path }, log, opened: async () => {} })
  t.after(async () => {
    await connection.close()
    await daemon.close()
    rmSync(folder, { recursive: true })
  })
  const xml = domainXml(factsOf(spec, { nics: [first] }))
  await connection.use(async (client) => client.domainCreateWithFlags(await client.domainDefineXMLFlags(xml)))
  /** Whether it runs with the card, and would start with it. */
  const has = (tap: string) =>
    connection.use(async (client) => {
      const domain = await client.domainLookupByUUID(id)
      const xmls = [
        await client.domainGetXMLDesc(domain),
        await client.domainGetXMLDesc(domain, DomainXMLFlags.INACTIVE),
      ]
      return xmls.map((each) => cardIn(each, tap) !== undefined)
    })
  const context = { connection, installationId: 'ab12', detach: { attempts, timeoutMs: 40 } }
  return { context, has, asked: () => asked, connection }
}

test('a card is given once, to the guest that runs and to its next start', async (t) => {
  const { context, has } = await world(t)
  for (let time = 1; time <= 2; time++) await plugCard(context, id, second.tap, nicXml(spec, second))
  assert.deepEqual(
    [await has('kt1'), await has('kt2')],
    [
      [true, true],
      [true, true],
    ],
  )
  await plugCard(context, 'bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee', second.tap, nicXml(spec, second))
})

test('a guest that lets go late is asked again, and QEMU may say that it is still waiting', async (t) => {
  const { context, has, asked } = await world(t, 3)
  await unplugCard(context, id, first.tap, never)
  assert.deepEqual([await has('kt1'), asked()], [[false, false], 3])
  await unplugCard(context, id, first.tap, never)
  assert.equal(asked(), 3)
})

test('one that never does keeps it, after so many times; it is given back to its next start', async (t) => {
  const { context, has, asked } = await world(t, Infinity)
  await assert.rejects(unplugCard(context, id, first.tap, never), { name: 'NicNotReleased' })
  assert.deepEqual([await has('kt1'), asked()], [[true, false], 3])
  await plugCard(context, id, first.tap, nicXml(spec, first))
  assert.deepEqual(await has('kt1'), [true, true])
})

test('waiting is given up when nobody wants it any more', async (t) => {
  const { context } = await world(t, Infinity, 1_000)
  const abort = new AbortController()
  const reason = new Error('not wanted any more')
  setTimeout(() => abort.abort(reason), 60)
  await assert.rejects(unplugCard(context, id, first.tap, abort.signal), (error) => error === reason)
})

test('a guest that goes off, or is gone, has let go', async (t) => {
  const { context, connection, has } = await world(t, Infinity, 1_000)
  const waiting = unplugCard(context, id, first.tap, never)
  await connection.use(async (client) => client.domainDestroyFlags(await client.domainLookupByUUID(id)))
  await waiting
  assert.deepEqual((await has('kt1'))[1], false)
})
