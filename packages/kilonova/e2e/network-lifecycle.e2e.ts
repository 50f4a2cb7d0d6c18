// What becomes of guests' networks when the process that made them ends, dies at any moment or is asked for much; nothing is left over.
import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { hostNetwork, type HostNetwork } from '../src/virt/network/host-network.ts'
import { removeStrays } from '../src/virt/network/inventory.ts'
import { type Bed, bed, nothing, OPEN, port, rule } from './host-network-bed.ts'
import { attempt } from './veth-guest.ts'
import type { Order } from './network-process.ts'

const PROCESS = join(import.meta.dirname, 'network-process.ts')

async function bedFor(context: TestContext): Promise<Bed> {
  const made = await bed()
  context.after(() => made.remove())
  return made
}

async function networkFor(context: TestContext, host: Bed): Promise<HostNetwork> {
  const made = await hostNetwork(host.options)
  context.after(() => made.close())
  return made
}

interface Doomed {
  /** Resolves at the word `began` and then, by `ended`, at `done` or when the process is no more. */
  order(order: Order): Promise<{ readonly ended: Promise<void> }>
  kill(): Promise<void>
}

async function doomed(context: TestContext, { options }: Bed): Promise<Doomed> {
  const args = [PROCESS, options.installationId, options.stateDir, options.metadata?.proxyTo ?? '']
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(process.execPath, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  context.after(() => child.kill('SIGKILL'))
  const said: string[] = []
  let heard = () => {}
  createInterface({ input: child.stdout }).on('line', (line) => (said.push(line), heard()))
  void exit.then(() => (said.push('gone'), heard()))
  const next = async (): Promise<string> => {
    while (said.length === 0) await new Promise<void>((done) => (heard = done))
    return said.shift() ?? ''
  }
  assert.equal(await next(), 'ready')
  return {
    order: async (order) => {
      child.stdin.write(`${JSON.stringify(order)}\n`)
      assert.equal(await next(), 'began')
      return { ended: next().then(() => undefined) }
    },
    kill: async () => {
      child.kill('SIGKILL')
      await exit
    },
  }
}

const files = (host: Bed): string[] =>
  readdirSync(host.options.stateDir, { recursive: true })
    .map(String)
    .filter((path) => path.endsWith('.json'))

async function nothingLeft(host: Bed, network: HostNetwork): Promise<void> {
  assert.deepEqual(await network.inventory(), nothing(host.names))
  assert.deepEqual(files(host), [])
  assert.deepEqual(readdirSync(host.names.runtimeRoot), [])
}

test('a killed process leaves guests connected; the next one answers their metadata again and keeps their DHCP', async (context) => {
  const host = await bedFor(context)
  const facts = [port(5), port(6)] as const
  const first = await doomed(context, host)
  // Links that nobody asked for go when a process starts, so guests come after it.
  const guests = [await host.guest(facts[0]), await host.guest(facts[1])] as const
  for (const [index, each] of facts.entries())
    await (
      await first.order({ plug: `server-${index}`, ports: [each] })
    ).ended
  for (const guest of guests) assert.ok(await guest.dhcp())
  await first.kill()
  assert.ok(await guests[0].ping('10.213.0.6'))

  const before = (await hostNetworkOnce(host)).processes
  const network = await networkFor(context, host)
  assert.equal(
    (await guests[1].run('busybox', 'wget', '-q', '-O', '-', 'http://169.254.169.254/')).text,
    'you are server-1',
  )
  assert.deepEqual((await network.inventory()).processes, before, 'the same dnsmasq')
  assert.deepEqual(await network.nics('server-0'), [
    { portId: facts[0].portId, mac: facts[0].mac, mtu: 1450, tap: host.names.tap(facts[0].portId) },
  ])
  await network.unplug('server-0')
  assert.equal(await guests[0].ping('10.213.0.6'), false)
  await network.unplug('server-1')
  await nothingLeft(host, network)
})

/** What there is, by a process that is closed again. */
async function hostNetworkOnce(host: Bed) {
  const network = await hostNetwork(host.options)
  const inventory = await network.inventory()
  await network.close()
  return inventory
}

test('killed at any moment of plug or unplug, the next process finishes or removes it, and nothing is left', async (context) => {
  const host = await bedFor(context)
  for (let afterMs = 0; afterMs <= 150; afterMs += 15) {
    for (const orders of [['plug'], ['plug', 'unplug']] as const) {
      const dying = await doomed(context, host)
      for (const [index, order] of orders.entries()) {
        const { ended } = await dying.order(
          order === 'plug' ? { plug: 'server-x', ports: [port(5), port(6)] } : { unplug: 'server-x' },
        )
        if (index === orders.length - 1) await delay(afterMs)
        else await ended
      }
      await dying.kill()
      const network = await networkFor(context, host)
      // As a conductor does: it repeats the verb it had no answer to, and that works on whatever is there.
      if (orders.length === 1) {
        await network.plug('server-x', [port(5), port(6)])
        assert.deepEqual((await network.inventory()).routes, ['10.213.0.0/20'])
        assert.equal((await network.inventory()).links.length, 5)
      }
      await network.unplug('server-x')
      await network.unplug('server-x')
      await nothingLeft(host, network)
      await network.close()
    }
  }
})

test('what somebody removed by hand is made again by plug, and unplug of what is gone succeeds', async (context) => {
  const host = await bedFor(context)
  const network = await networkFor(context, host)
  await network.plug('server-a', [port(5)])
  await network.plug('server-b', [port(6)])
  const whole = await network.inventory()
  await attempt('ip', 'netns', 'delete', whole.namespaces[0] ?? '')
  await network.plug('server-a', [port(5)])
  const again = await network.inventory()
  assert.deepEqual({ ...again, processes: again.processes.length }, { ...whole, processes: 1 })
  await attempt('ip', 'link', 'delete', host.names.tap(port(5).portId))
  await network.plug('server-a', [port(5)])
  assert.deepEqual((await network.inventory()).links, whole.links)
  await attempt('ip', 'netns', 'delete', whole.namespaces[0] ?? '')
  await attempt('ip', 'link', 'delete', host.names.tap(port(6).portId))
  await network.unplug('server-a')
  await network.unplug('server-b')
  await nothingLeft(host, network)
})

test('after the machine itself was restarted everything is made again before anybody asks', async (context) => {
  const host = await bedFor(context)
  const first = await hostNetwork(host.options)
  await first.plug('server-a', [port(5)])
  await first.plug('server-b', [port(5, { network: 'net-b', cidr: '10.215.0.0/24', gateway: null, routed: false })])
  const before = await first.inventory()
  await first.close()
  await removeStrays(host.names, { namespaces: new Set(), links: new Set(), folders: new Map() })
  const network = await networkFor(context, host)
  const after = await network.inventory()
  assert.deepEqual({ ...after, processes: after.processes.length }, { ...before, processes: 2 })
  await network.unplug('server-a')
  await network.unplug('server-b')
  await nothingLeft(host, network)
})

test('two installations on one machine keep out of each other, and what one leaves behind the other does not touch', async (context) => {
  const hosts = [await bedFor(context), await bedFor(context)] as const
  const networks = [await networkFor(context, hosts[0]), await networkFor(context, hosts[1])] as const
  // The same ids on both, as two fresh installations might have; other addresses, since this machine reaches both.
  const facts = [port(5), port(5, { cidr: '10.216.0.0/24', gateway: '10.216.0.1' })] as const
  const guests = [await hosts[0].guest(facts[0]), await hosts[1].guest(facts[1])] as const
  await Promise.all([networks[0].plug('server-a', [facts[0]]), networks[1].plug('server-a', [facts[1]])])
  for (const guest of guests) assert.ok(await guest.dhcp())
  for (const address of ['10.213.0.5', '10.216.0.5'])
    assert.ok((await attempt('ping', '-c', '1', '-W', '1', address)).ok, address)
  await networks[0].unplug('server-a')
  await nothingLeft(hosts[0], networks[0])
  const again = await hostNetwork(hosts[0].options)
  await again.close()
  assert.ok((await attempt('ping', '-c', '1', '-W', '1', '10.216.0.5')).ok)
  await networks[1].unplug('server-a')
  await nothingLeft(hosts[1], networks[1])
})

test('plug with fewer ports removes those that went', async (context) => {
  const host = await bedFor(context)
  const network = await networkFor(context, host)
  await network.plug('server-a', [port(5), port(6, { network: 'net-b', cidr: '10.215.0.0/24', gateway: '10.215.0.1' })])
  assert.equal((await network.inventory()).namespaces.length, 2)
  await network.plug('server-a', [port(5)])
  assert.deepEqual((await network.inventory()).namespaces, [host.names.namespace('net-a')])
  assert.equal((await network.nics('server-a')).length, 1)
  await network.unplug('server-a')
  await nothingLeft(host, network)
})

test('one port more on a network costs little time, also when 500 are there', async (context) => {
  const host = await bedFor(context)
  const network = await networkFor(context, host)
  const members = Array.from({ length: 500 }, (_, index) => `10.213.${(index + 10) >> 8}.${(index + 10) & 255}/32`)
  const rules = [rule('egress', null), rule('ingress', null, null, members), rule('ingress', 'tcp', 22)]
  await network.plug('server-first', [port(5, { rules: OPEN })])
  const timed = async () => {
    const times: number[] = []
    for (let round = 0; round < 9; round++) {
      const started = performance.now()
      await network.plug('server-timed', [port(6, { rules })])
      await network.unplug('server-timed')
      times.push(performance.now() - started)
    }
    return times.toSorted((a, b) => a - b)[4] ?? 0
  }
  const alone = await timed()
  const started = performance.now()
  await Promise.all(members.map((_, index) => network.plug(`server-${index}`, [port(index + 10, { rules })])))
  const all = performance.now() - started
  const crowded = await timed()
  context.diagnostic(
    `plug and unplug: ${alone.toFixed(0)} ms alone, ${crowded.toFixed(0)} ms beside 500 ports; those 500 at once: ${all.toFixed(0)} ms`,
  )
  assert.ok(alone < 250 && crowded < 1000, 'far slower than it was made to be')
  const removing = performance.now()
  await Promise.all(members.map((_, index) => network.unplug(`server-${index}`)))
  context.diagnostic(`500 unplugged at once: ${(performance.now() - removing).toFixed(0)} ms`)
  await network.unplug('server-first')
  await nothingLeft(host, network)
})
