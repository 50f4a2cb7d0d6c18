/** The contract: what the client promises, run against the fake and against real libvirtd alike. Each case leaves nothing behind. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import type { Client } from '../src/client.ts'
import { ConnectListAllDomainsFlags, DomainEventType, DomainState } from '../src/constants.gen.ts'
import { ConnectionLostError, type ErrorName, isLibvirtError, LibvirtError } from '../src/errors.ts'
import type { DomainEvent, DomainEventName } from '../src/events.ts'
import type { Domain } from '../src/protocol-types.gen.ts'
import { param, paramsToRecord } from '../src/typed-params.ts'
import type { ContractTarget } from './target.ts'

export async function connected(t: TestContext, target: ContractTarget): Promise<Client> {
  const client = await target.connect()
  t.after(() => client.close())
  return client
}

/** A defined domain that is gone again after the test. */
export async function defined(t: TestContext, client: Client, target: ContractTarget): Promise<Domain> {
  const domain = await client.domainDefineXMLFlags(target.domainXml(`contract-${randomUUID().slice(0, 8)}`))
  t.after(async () => {
    const cleaner = await target.connect()
    await cleaner.domainDestroyFlags(domain).catch(() => {})
    await cleaner.domainUndefineFlags(domain).catch(() => {})
    await cleaner.close()
  })
  return domain
}

/** Collects events; `next(is)` waits for one that fits, from the beginning. */
export async function collect<N extends DomainEventName>(
  client: Client,
  name: N,
  domain?: Domain,
): Promise<{
  readonly events: DomainEvent<N>[]
  next(is: (event: DomainEvent<N>) => boolean): Promise<DomainEvent<N>>
  close(): Promise<void>
}> {
  const events: DomainEvent<N>[] = []
  const waiting = new Set<() => void>()
  const subscription = await client.onDomainEvent(
    name,
    (event) => {
      events.push(event)
      for (const look of waiting) look()
    },
    domain,
  )
  return {
    events,
    next: (is) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = events.find(is)
          if (!found) return
          waiting.delete(look)
          resolve(found)
        }
        waiting.add(look)
        look()
      }),
    close: () => subscription.close(),
  }
}

export const rejectsWith = (promise: Promise<unknown>, ...names: readonly ErrorName[]): Promise<void> =>
  assert.rejects(promise, (error) => isLibvirtError(error, ...names))

export function contractCases(target: ContractTarget): void {
  const it = (name: string, run: (t: TestContext) => Promise<void>): void =>
    void test(`${target.name}: ${name}`, { timeout: 60_000 }, run)

  it('tells who it is', async (t) => {
    const client = await connected(t, target)
    assert.notEqual(await client.connectGetHostname(), '')
    assert((await client.connectGetLibVersion()) >= 9_000_000n)
    assert.equal(typeof (await client.connectGetVersion()), 'bigint')
    assert.match(await client.connectGetCapabilities(), /<capabilities>/)
    const { model, memory, cpus } = await client.nodeGetInfo()
    assert.match(model, /^\w+$/)
    assert(memory > 0n && cpus > 0)
  })

  it('defines, finds, lists and undefines a domain', async (t) => {
    const client = await connected(t, target)
    const uuid = randomUUID()
    const domain = await client.domainDefineXMLFlags(target.domainXml('contract-define', uuid))
    assert.deepEqual(domain, { name: 'contract-define', uuid, id: -1 })
    assert.deepEqual(await client.domainLookupByUUID(uuid), domain)
    assert.deepEqual(await client.domainLookupByName('contract-define'), domain)
    const names = async (flags: number): Promise<string[]> =>
      (await client.connectListAllDomains(flags)).map(({ name }) => name)
    assert((await names(0)).includes('contract-define'))
    assert((await names(ConnectListAllDomainsFlags.INACTIVE)).includes('contract-define'))
    assert(!(await names(ConnectListAllDomainsFlags.ACTIVE)).includes('contract-define'))
    const xml = await client.domainGetXMLDesc(domain)
    assert(xml.includes(uuid) && xml.includes('<name>contract-define</name>'))
    assert.equal(await client.domainIsPersistent(domain), 1)
    await client.domainUndefineFlags(domain)
    await rejectsWith(client.domainLookupByUUID(uuid), 'NO_DOMAIN')
  })

  it('goes through the life of a domain', async (t) => {
    const client = await connected(t, target)
    const domain = await defined(t, client, target)
    assert.equal((await client.domainGetState(domain)).state, DomainState.SHUTOFF)
    const running = await client.domainCreateWithFlags(domain)
    assert(running.id > 0)
    assert.equal((await client.domainGetState(running)).state, DomainState.RUNNING)
    assert.equal(await client.domainIsActive(running), 1)
    await client.domainSuspend(running)
    assert.equal((await client.domainGetState(running)).state, DomainState.PAUSED)
    await client.domainResume(running)
    const info = await client.domainGetInfo(running)
    assert.equal(info.state, DomainState.RUNNING)
    assert.equal(typeof info.maxMem, 'bigint')
    await client.domainDestroyFlags(running)
    assert.equal((await client.domainGetState(running)).state, DomainState.SHUTOFF)
  })

  it('answers with typed errors', async (t) => {
    const client = await connected(t, target)
    const domain = await defined(t, client, target)
    await rejectsWith(client.domainLookupByName('no-such-domain'), 'NO_DOMAIN')
    await rejectsWith(client.domainLookupByUUID(randomUUID()), 'NO_DOMAIN')
    await rejectsWith(client.domainDestroyFlags(domain), 'OPERATION_INVALID')
    await rejectsWith(client.domainDefineXMLFlags('<network/>'), 'XML_ERROR')
    await client.domainCreateWithFlags(domain)
    // QEMU's driver says the first, the test driver the second.
    await rejectsWith(client.domainCreateWithFlags(domain), 'OPERATION_INVALID', 'INTERNAL_ERROR')
    await rejectsWith(client.call('networkLookupByName', { name: 'no-such-network' }), target.missingNetwork)
    const error = await client.domainLookupByName('no-such-domain').catch((thrown: unknown) => thrown)
    assert(error instanceof LibvirtError)
    assert.match(error.message, /^Domain not found/)
    assert.equal(error.procedure, 'domainLookupByName')
    assert.equal(error.level, 2)
  })

  it('refuses arguments that do not fit, and goes on', async (t) => {
    const client = await connected(t, target)
    await assert.rejects(client.domainLookupByUUID('nonsense'), /uuid: not a UUID/)
    await assert.rejects(client.domainLookupByName('nul\0'), /name: expected a string without NUL/)
    await assert.rejects(client.domainLookupByID(1.5), /id: expected an integer/)
    await assert.rejects(client.domainLookupByID(2 ** 31), /id: /)
    assert.notEqual(await client.connectGetHostname(), '')
  })

  it('answers many calls at once, each with its own answer', async (t) => {
    const client = await connected(t, target)
    const domain = await defined(t, client, target)
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        index % 2
          ? client.domainLookupByUUID(domain.uuid)
          : client.domainLookupByName(`missing-${index}`).catch((error: unknown) => error),
      ),
    )
    for (const [index, answer] of answers.entries()) {
      if (index % 2) assert.deepEqual(answer, domain)
      else assert(isLibvirtError(answer, 'NO_DOMAIN'))
    }
  })

  it('tells lifecycle events to those who listen, in order', async (t) => {
    const client = await connected(t, target)
    const domain = await defined(t, client, target)
    const other = await defined(t, client, target)
    const all = await collect(client, 'lifecycle')
    const one = await collect(client, 'lifecycle', domain)
    await client.domainCreateWithFlags(domain)
    await client.domainSuspend(domain)
    await client.domainResume(domain)
    await client.domainCreateWithFlags(other)
    await client.domainDestroyFlags(other)
    await client.domainDestroyFlags(domain)
    const stopped = ({ dom, event }: DomainEvent<'lifecycle'>): boolean =>
      dom.uuid === domain.uuid && event === DomainEventType.STOPPED
    await Promise.all([all.next(stopped), one.next(stopped)])
    assert(one.events.every(({ dom }) => dom.uuid === domain.uuid))
    const { STARTED, SUSPENDED, RESUMED, STOPPED } = DomainEventType
    const main = one.events.map(({ event }) => event).filter((event, index, events) => event !== events[index - 1])
    assert.deepEqual(
      main.filter((event) => event === STARTED || event === SUSPENDED || event === STOPPED),
      [STARTED, SUSPENDED, STOPPED],
    )
    assert(main.includes(RESUMED))
    assert(all.events.some(({ dom }) => dom.uuid === other.uuid))
    await one.close()
    const before = one.events.length
    await client.domainCreateWithFlags(domain)
    await all.next(
      ({ dom, event }) => dom.uuid === domain.uuid && event === STARTED && all.events.filter(stopped).length === 1,
    )
    assert.equal(one.events.length, before)
    await all.close()
  })

  it('refuses to deregister what is not registered', async (t) => {
    const client = await connected(t, target)
    await assert.rejects(client.connectDomainEventCallbackDeregisterAny(4711), LibvirtError)
  })

  it('carries typed parameters both ways', async (t) => {
    const client = await connected(t, target)
    const domain = await defined(t, client, target)
    await client.domainSetMemoryParameters(
      domain,
      [param.ullong('hard_limit', 2n ** 40n), param.ullong('soft_limit', 65536)],
      2,
    )
    const { nparams } = await client.domainGetMemoryParameters(domain, 0, 2 | 4)
    assert(nparams >= 2)
    const { params } = await client.domainGetMemoryParameters(domain, nparams, 2 | 4)
    const { hard_limit: hard, soft_limit: soft } = paramsToRecord(params)
    assert.deepEqual([hard, soft], [2n ** 40n, 65536n])
  })

  it('keeps connections apart', async (t) => {
    const first = await connected(t, target)
    const second = await connected(t, target)
    const domain = await defined(t, first, target)
    const events = await collect(second, 'lifecycle')
    await first.close()
    assert(first.closed instanceof ConnectionLostError)
    await assert.rejects(first.connectGetHostname(), ConnectionLostError)
    await second.domainCreateWithFlags(domain)
    await events.next(({ dom }) => dom.uuid === domain.uuid)
  })

  it('rejects what is pending when it is destroyed, once', async (t) => {
    const client = await connected(t, target)
    const closes = once(client, 'close')
    const pending = Array.from({ length: 20 }, () => client.connectGetCapabilities())
    client.destroy()
    for (const result of await Promise.allSettled(pending)) {
      assert(result.status === 'rejected' && result.reason instanceof ConnectionLostError)
    }
    const [reason] = await closes
    assert.equal(reason, client.closed)
  })

  it('stays up under keepalive', async () => {
    const client = await target.connect({ keepalive: { intervalMs: 20, count: 2 } })
    const pings = 6
    await new Promise((resolve) => {
      setTimeout(resolve, 20 * pings)
    })
    assert.equal(client.closed, undefined)
    assert.notEqual(await client.connectGetHostname(), '')
    await client.close()
  })
}
