/** The contract of libvirt's QEMU program, whose calls reach QEMU's monitor and the agent in the guest, and of the agent's event. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Client } from '../src/client.ts'
import {
  ConnectDomainEventAgentLifecycleReason as Reason,
  ConnectDomainEventAgentLifecycleState as State,
} from '../src/constants.gen.ts'
import type { DomainEvent } from '../src/events.ts'
import type { Domain } from '../src/protocol-types.gen.ts'
import { collect, connected, defined, rejectsWith } from './cases.ts'
import type { ContractTarget } from './target.ts'

/** `virDomainQemuMonitorCommandFlags`, which libvirt's own description leaves out. */
const MONITOR_HMP = 1
const AGENT_SECONDS = 10

const command = (execute: string): string => JSON.stringify({ execute })
const ping = (client: Client, domain: Domain): Promise<string | null> =>
  client.qemuDomainAgentCommand(domain, command('guest-ping'), AGENT_SECONDS)

const runner =
  (target: ContractTarget) =>
  (name: string, run: (t: TestContext) => Promise<void>): void =>
    void test(`${target.name}: ${name}`, { timeout: 60_000 }, run)

export function monitorCases(target: ContractTarget): void {
  const it = runner(target)

  it("passes a command to QEMU's monitor, and the answer back", async (t) => {
    const client = await connected(t, target)
    const domain = await defined(t, client, target)
    await client.domainCreateWithFlags(domain)
    const status = async (): Promise<unknown> => {
      const answer = JSON.parse(await client.qemuDomainMonitorCommand(domain, command('query-status'))) as {
        readonly return: { readonly status: unknown; readonly running: unknown }
      }
      return [answer.return.status, answer.return.running]
    }
    assert.deepEqual(await status(), ['running', true])
    await client.domainSuspend(domain)
    assert.deepEqual(await status(), ['paused', false])
    assert.equal(await client.qemuDomainMonitorCommand(domain, 'info status', MONITOR_HMP), 'VM status: paused\r\n')
  })

  it('says what is wrong with a monitor command', async (t) => {
    const client = await connected(t, target)
    const domain = await defined(t, client, target)
    const status = command('query-status')
    await rejectsWith(client.qemuDomainMonitorCommand(domain, status), 'OPERATION_INVALID')
    await client.domainCreateWithFlags(domain)
    await assert.rejects(client.qemuDomainMonitorCommand(domain, 'query-status'), {
      name: 'LibvirtError',
      codeName: 'INTERNAL_ERROR',
      message: /^internal error: cannot parse json query-status/,
    })
    await rejectsWith(client.qemuDomainMonitorCommand(domain, status, 64), 'INVALID_ARG')
    // What QEMU refuses is no error of libvirt's.
    const refused = await client.qemuDomainMonitorCommand(domain, command('no-such-command'))
    assert.match(
      refused,
      /"error":\{"class":"CommandNotFound","desc":"The command no-such-command has not been found"\}/,
    )
    await client.domainDestroyFlags(domain)
    await client.domainUndefineFlags(domain)
    await rejectsWith(client.qemuDomainMonitorCommand(domain, status), 'NO_DOMAIN')
  })

  it('says that a domain has no guest agent', async (t) => {
    const client = await connected(t, target)
    const domain = await defined(t, client, target)
    await rejectsWith(ping(client, domain), 'OPERATION_INVALID')
    await client.domainCreateWithFlags(domain)
    await rejectsWith(ping(client, domain), 'ARGUMENT_UNSUPPORTED')
  })
}

export interface GuestAgent {
  start(): Promise<void>
  stop(): Promise<void>
}

/** `target` makes domains with an agent's channel; `agentOf` waits until such a guest has booted, its agent not yet started. */
export function agentCases(
  target: ContractTarget,
  agentOf: (client: Client, domain: Domain) => Promise<GuestAgent>,
): void {
  const it = runner(target)
  const isConnected = ({ state }: DomainEvent<'agentLifecycle'>): boolean => state === State.CONNECTED
  const isClosed = ({ state, reason }: DomainEvent<'agentLifecycle'>): boolean =>
    state === State.DISCONNECTED && reason === Reason.CHANNEL

  it('tells when the guest agent comes and goes, and why', async (t) => {
    const client = await connected(t, target)
    const domain = await defined(t, client, target)
    const channel = async (): Promise<string | undefined> =>
      /<target [^>]*name='org\.qemu\.guest_agent\.0'[^>]* state='(\w+)'/.exec(
        await client.domainGetXMLDesc(domain),
      )?.[1]
    const changes = await collect(client, 'agentLifecycle', domain)
    const running = await client.domainCreateWithFlags(domain)
    const agent = await agentOf(client, domain)
    assert.equal(await channel(), 'disconnected')
    await agent.start()
    assert.deepEqual((await changes.next(isConnected)).dom, running)
    assert.equal(await channel(), 'connected')
    await agent.stop()
    await changes.next(isClosed)
    assert.equal(await channel(), 'disconnected')
    assert.deepEqual(
      changes.events.map(({ state, reason }) => [state, reason]),
      [
        [State.DISCONNECTED, Reason.DOMAIN_STARTED],
        [State.CONNECTED, Reason.CHANNEL],
        [State.DISCONNECTED, Reason.CHANNEL],
      ],
    )
  })

  it('talks with the guest agent while there is one', async (t) => {
    const client = await connected(t, target)
    const domain = await defined(t, client, target)
    const changes = await collect(client, 'agentLifecycle', domain)
    await client.domainCreateWithFlags(domain)
    const agent = await agentOf(client, domain)
    await rejectsWith(ping(client, domain), 'AGENT_UNRESPONSIVE')
    await agent.start()
    await changes.next(isConnected)
    assert.equal(await ping(client, domain), '{"return":{}}')
    for (const [text, message] of [
      [command('guest-nonsense'), /unable to execute QEMU agent command 'guest-nonsense'/],
      ['nonsense', /cannot parse json nonsense/],
    ] as const) {
      const answer = client.qemuDomainAgentCommand(domain, text, AGENT_SECONDS)
      await assert.rejects(answer, { name: 'LibvirtError', codeName: 'INTERNAL_ERROR', message })
    }
    await client.domainSuspend(domain)
    await rejectsWith(ping(client, domain), 'OPERATION_INVALID')
    await client.domainResume(domain)
    assert.equal(await ping(client, domain), '{"return":{}}')
    await client.domainReset(domain)
    await changes.next(isClosed)
    await rejectsWith(ping(client, domain), 'AGENT_UNRESPONSIVE')
  })

  it('finds the agent again in a guest that was saved', async (t) => {
    const client = await connected(t, target)
    const domain = await defined(t, client, target)
    const changes = await collect(client, 'agentLifecycle', domain)
    await client.domainCreateWithFlags(domain)
    const agent = await agentOf(client, domain)
    await agent.start()
    await changes.next(isConnected)
    await client.domainManagedSave(domain)
    const before = changes.events.length
    await client.domainCreateWithFlags(domain)
    await changes.next((event) => isConnected(event) && changes.events.indexOf(event) >= before)
    assert.deepEqual(
      changes.events.slice(before).map(({ state, reason }) => [state, reason]),
      [
        [State.DISCONNECTED, Reason.DOMAIN_STARTED],
        [State.CONNECTED, Reason.CHANNEL],
      ],
    )
    assert.equal(await ping(client, domain), '{"return":{}}')
  })
}
