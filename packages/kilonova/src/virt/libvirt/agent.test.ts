/** A password set by the guest's agent, and every reason why it is not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@kilonova/libvirt/client.ts'
import { ErrorNumber } from '@kilonova/libvirt/constants.gen.ts'
import { fakeLibvirtd } from '@kilonova/libvirt/fake/fake-libvirtd.ts'
import { guestOf } from '../contract-values.ts'
import { setPassword } from './agent.ts'
import { factsOf } from './domain/facts-fixture.ts'
import { domainXml } from './domain-xml.ts'

const id = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee'
const xmlWith = (imageProperties: Readonly<Record<string, string>>) =>
  domainXml(factsOf(guestOf(id, { imageProperties })))

test('whether somebody listens decides', async (t) => {
  const daemon = await fakeLibvirtd({ listen: { port: 0 } })
  const client = await connect(daemon.target)
  t.after(async () => {
    await client.close()
    await daemon.close()
  })
  const { hypervisor, weather } = daemon
  const ask = () => setPassword(client, 'ab12', id, 'root', 'secret')
  assert.equal(await ask(), 'notRunning')
  const domain = hypervisor.define(xmlWith({}))
  assert.equal(await ask(), 'notRunning')
  hypervisor.start(domain)
  assert.equal(await ask(), 'noAgent', 'there is no channel')
  hypervisor.destroy(domain)
  hypervisor.define(xmlWith({ hw_qemu_guest_agent: 'True' }))
  hypervisor.start(domain)
  assert.equal(await ask(), 'noAgent', 'nobody has opened it')
  hypervisor.setAgent(domain, true)
  assert.equal(await ask(), 'set')
  assert.deepEqual([...domain.passwords], [['root', 'secret']])
  weather.spoil('domainSetUserPassword', {
    kind: 'error',
    code: ErrorNumber.INTERNAL_ERROR,
    message: 'secret: too short',
  })
  assert.equal(await ask(), 'refused')
})
