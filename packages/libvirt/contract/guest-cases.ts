/** The contract where a guest takes part: its console, reset, saved state, devices that come and go. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { buffer } from 'node:stream/consumers'
import { DomainEventType, DomainState } from '../src/constants.gen.ts'
import type { LibvirtStream } from '../src/stream.ts'
import { collect, connected, defined } from './cases.ts'
import type { ContractTarget } from './target.ts'

/** Reads until the text has come. */
async function heard(stream: LibvirtStream, text: string): Promise<void> {
  let all = ''
  while (!all.includes(text)) {
    const piece = stream.read() as Buffer | null
    if (piece) all += piece.toString('latin1')
    else await new Promise((resolve) => stream.once('readable', resolve))
  }
}

export function guestCases(target: ContractTarget): void {
  const it = (name: string, run: (t: TestContext) => Promise<void>): void =>
    void test(`${target.name}: ${name}`, { timeout: 60_000 }, run)

  it('talks with the guest on its console, both ways', async (t) => {
    const client = await connected(t, target)
    const domain = await defined(t, client, target)
    await client.domainCreateWithFlags(domain)
    const { stream } = await client.openStream('domainOpenConsole', { dom: domain })
    await heard(stream, 'R')
    stream.write('hello, guest')
    await heard(stream, 'hello, guest')
    assert.equal((await client.domainGetState(domain)).state, DomainState.RUNNING)
    stream.end()
    await new Promise((resolve) => stream.once('finish', resolve))
    stream.destroy()
    const again = await client.openStream('domainOpenConsole', { dom: domain })
    again.stream.write('again')
    await heard(again.stream, 'again')
    again.stream.destroy()
  })

  it('ends the console when the guest stops', async (t) => {
    const client = await connected(t, target)
    const domain = await defined(t, client, target)
    await client.domainCreateWithFlags(domain)
    const { stream } = await client.openStream('domainOpenConsole', { dom: domain })
    await heard(stream, 'R')
    const rest = buffer(stream).then(
      () => 'end',
      (error: Error) => error.name,
    )
    await client.domainDestroyFlags(domain)
    assert(['end', 'LibvirtError'].includes(await rest))
    assert.notEqual(await client.connectGetHostname(), '')
  })

  it('takes a screenshot', async (t) => {
    const client = await connected(t, target)
    const domain = await defined(t, client, target)
    await client.domainCreateWithFlags(domain)
    const { stream, ret } = await client.openStream('domainScreenshot', { dom: domain, screen: 0 })
    assert.match(ret.mime ?? '', /^image\//)
    assert((await buffer(stream)).length > 0)
  })

  it('tells of a reset', async (t) => {
    const client = await connected(t, target)
    const domain = await defined(t, client, target)
    await client.domainCreateWithFlags(domain)
    const reboots = await collect(client, 'reboot', domain)
    await client.domainReset(domain)
    const { dom } = await reboots.next(() => true)
    assert.equal(dom.uuid, domain.uuid)
  })

  it('attaches a device and tells when it is removed', async (t) => {
    const client = await connected(t, target)
    const domain = await defined(t, client, target)
    await client.domainCreateWithFlags(domain)
    const removals = await collect(client, 'deviceRemoved', domain)
    const tablet = "<input type='tablet' bus='usb'><alias name='ua-tablet'/></input>"
    await client.domainAttachDeviceFlags(domain, tablet, 1)
    assert.match(await client.domainGetXMLDesc(domain), /ua-tablet/)
    await client.domainDetachDeviceFlags(domain, tablet, 1)
    const { devAlias } = await removals.next(() => true)
    assert.equal(devAlias, 'ua-tablet')
    assert.doesNotMatch(await client.domainGetXMLDesc(domain), /ua-tablet/)
  })

  it('saves a guest and starts it from there', async (t) => {
    const client = await connected(t, target)
    const domain = await defined(t, client, target)
    await client.domainCreateWithFlags(domain)
    const life = await collect(client, 'lifecycle', domain)
    await client.domainManagedSave(domain)
    await life.next(({ event, detail }) => event === DomainEventType.STOPPED && detail === 4)
    assert.equal(await client.domainHasManagedSaveImage(domain), 1)
    assert.match(await client.domainManagedSaveGetXMLDesc(domain), /^<domain /)
    await client.domainCreateWithFlags(domain)
    await life.next(({ event, detail }) => event === DomainEventType.STARTED && detail === 2)
    assert.equal(await client.domainHasManagedSaveImage(domain), 0)
    await assert.rejects(client.domainManagedSaveGetXMLDesc(domain))
  })

  it('starts a guest paused', async (t) => {
    const client = await connected(t, target)
    const domain = await defined(t, client, target)
    await client.domainCreateWithFlags(domain, 1)
    assert.equal((await client.domainGetState(domain)).state, DomainState.PAUSED)
    await client.domainResume(domain)
    assert.equal((await client.domainGetState(domain)).state, DomainState.RUNNING)
  })

  it('forgets a transient guest when it stops', async (t) => {
    const client = await connected(t, target)
    const domain = await client.domainCreateXML(target.domainXml('contract-transient'))
    assert.equal(await client.domainIsPersistent(domain), 0)
    await client.domainDestroyFlags(domain)
    assert(!(await client.connectListAllDomains()).some(({ uuid }) => uuid === domain.uuid))
  })
}
