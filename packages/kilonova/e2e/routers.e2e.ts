// Routers and floating IPs on a real host, with namespaces for guests: who reaches whom, as whom, and what is left when they go.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { PortFacts, RouterFacts, RouterPort } from '../src/virt/driver.ts'
import { hostNetwork, type HostNetwork } from '../src/virt/network/host-network.ts'
import { type Bed, bed, nothing, port, type PortWish, rule } from './host-network-bed.ts'
import type { Order } from './network-process.ts'
import { attempt, type VethGuest } from './veth-guest.ts'

const OUTSIDE = { network: 'net-outside', cidr: '10.219.4.0/24', gateway: '10.219.4.1', routed: true } as const
const inside = (network: string, cidr: string) => ({
  network,
  cidr,
  gateway: cidr.replace(/0\/24$/, '1'),
  routed: false,
})
/** Two projects with the same addresses, one of them with a second network. */
const RED = inside('net-red', '10.218.0.0/24')
const RED_TOO = inside('net-red-too', '10.218.1.0/24')
const BLUE = inside('net-blue', '10.218.0.0/24')

/** A port whose address is the network's with another last byte. */
const at = (last: number, wish: PortWish & { readonly cidr: string }): PortFacts =>
  port(Number(wish.cidr.split('.')[2]) * 256 + last, wish)

/** A router's port, its address ending in `last`. */
function routerPort(id: string, last: number, wish: PortWish & { readonly cidr: string }): RouterPort {
  const { networkId, mtu, fixedIps, subnets } = at(last, wish)
  const hex = [...id]
    .reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 65_536, 7)
    .toString(16)
    .padStart(4, '0')
  return { portId: id, networkId, mac: `fa:16:3e:01:${hex.slice(0, 2)}:${hex.slice(2)}`, mtu, fixedIps, subnets }
}

const router = (
  name: string,
  number: number,
  insides: readonly (PortWish & { readonly cidr: string })[],
  more: Partial<RouterFacts> = {},
): RouterFacts => ({
  routerId: name,
  interfaces: insides.map((wish, index) => routerPort(`${name}-${index}`, 1, wish)),
  gateway: { ...routerPort(`${name}-out`, number, OUTSIDE), mtu: 1500, snat: true },
  routes: [],
  floatingIps: [],
  ...more,
})
const floating = (number: number, fixedAddress: string) => ({ address: `10.219.4.${number}`, fixedAddress })

describe('two projects with the same addresses, each with a router', () => {
  let host: Bed
  let network: HostNetwork
  const guests = new Map<string, VethGuest>()
  const guest = (name: string): VethGuest => {
    const found = guests.get(name)
    assert.ok(found)
    return found
  }
  const ports: Readonly<Record<string, PortFacts>> = {
    red5: at(5, RED),
    red6: at(6, { ...RED, mac: 'fa:16:3e:00:00:06' }),
    redToo7: at(7, { ...RED_TOO, mac: 'fa:16:3e:00:00:07' }),
    blue5: at(5, BLUE),
  }
  const RED_ROUTER = router('red', 10, [RED, RED_TOO], {
    floatingIps: [floating(105, '10.218.0.5'), floating(107, '10.218.1.7')],
  })
  const BLUE_ROUTER = router('blue', 20, [BLUE], { floatingIps: [floating(205, '10.218.0.5')] })
  const reaches = async (address: string): Promise<boolean> => (await attempt('ping', '-c', '1', '-W', '1', address)).ok
  const hello = async (address: string, from = 'root'): Promise<string> =>
    from === 'root'
      ? firstLine(await attempt('busybox', 'nc', '-w', '1', address, '80'))
      : ((await guest(from).connect(address, 80)) ?? '')

  /** How many pings the guest has answered. */
  const echoes = async (name: string): Promise<number> =>
    Number(/OutEchoReps *(\d+)/.exec((await guest(name).run('nstat', '-asz', 'IcmpOutEchoReps')).text)?.[1] ?? 0)

  before(async () => {
    host = await bed()
    network = await hostNetwork(host.options)
    await network.applyRouters([RED_ROUTER, BLUE_ROUTER])
    for (const [name, facts] of Object.entries(ports)) {
      guests.set(name, await host.guest(facts))
      await network.plug(name, [facts])
      assert.ok(await guest(name).dhcp(), name)
      await guest(name).serve(80)
    }
  })
  after(async () => {
    await network.applyRouters([])
    for (const name of guests.keys()) await network.unplug(name)
    assert.deepEqual(await network.inventory(), nothing(host.names))
    await network.close()
    await host.remove()
  })

  test('this machine reaches each guest at its floating IP', async () => {
    for (const address of ['10.219.4.105', '10.219.4.107', '10.219.4.205']) {
      assert.ok(await reaches(address), address)
      assert.equal(await hello(address), 'hello')
    }
  })

  test('guests on two networks of one router reach each other, those of two projects do not', async () => {
    assert.ok(await guest('red5').ping('10.218.1.7'))
    assert.equal(await hello('10.218.0.5', 'redToo7'), 'hello')
    assert.equal(await guest('blue5').ping('10.218.1.7'), false)
    assert.equal(await guest('blue5').ping('10.218.0.6'), false)
  })

  test('the router answers as gateway, and metadata as ever', async () => {
    assert.ok(await guest('red6').ping('10.218.0.1'))
    assert.ok(await guest('red6').ping('10.218.1.1'))
    for (const name of ['red5', 'redToo7', 'blue5']) {
      const answer = await guest(name).run('busybox', 'wget', '-q', '-O', '-', 'http://169.254.169.254/')
      assert.equal(answer.text, `you are ${name}`)
    }
  })

  test('outside, a guest is its floating IP, or its router where it has none', async () => {
    const only = async (peer: string): Promise<void> => {
      await network.refresh([{ ...need(ports['blue5']), rules: [rule('ingress', null, null, [`${peer}/32`])] }])
    }
    await only('10.219.4.105')
    assert.equal(await hello('10.219.4.205', 'red5'), 'hello')
    assert.equal(await hello('10.219.4.205', 'red6'), '')
    await only('10.219.4.10')
    assert.equal(await hello('10.219.4.205', 'red5'), '')
    assert.equal(await hello('10.219.4.205', 'red6'), 'hello')
    await network.refresh([need(ports['blue5'])])
  })

  test('a guest reaches the floating IPs behind its own router, its own as well', async () => {
    assert.equal(await hello('10.219.4.105', 'red6'), 'hello')
    assert.equal(await hello('10.219.4.107', 'red5'), 'hello')
    assert.equal(await hello('10.219.4.105', 'red5'), 'hello')
  })

  test('security groups hold for what comes over a router, from another network and from outside', async () => {
    const closed = {
      ...need(ports['redToo7']),
      rules: [rule('egress', null), rule('ingress', 'tcp', 80, ['10.218.0.6/32'])],
    }
    await network.refresh([closed])
    assert.equal(await hello('10.218.1.7', 'red6'), 'hello')
    assert.equal(await hello('10.218.1.7', 'red5'), '')
    assert.equal(await hello('10.219.4.107'), '')
    await network.refresh([need(ports['redToo7'])])
    assert.equal(await hello('10.219.4.107'), 'hello')
  })

  test('a guest reaches nothing of this machine over its router, and outside only knows floating IPs', async () => {
    const answered = (name: string, address: string) => guest(name).ping(address)
    assert.ok(await answered('red6', '10.219.4.1'), 'the gateway outside answers')
    const own = (await attempt('ip', '-j', 'addr', 'show', 'up')).text
    const links = JSON.parse(own) as { ifname: string; addr_info?: { family: string; local: string }[] }[]
    const machine = links.flatMap(({ addr_info: all = [] }) =>
      all.filter(({ family, local }) => family === 'inet' && !local.startsWith('127.')),
    )
    assert.ok(machine.length > 0)
    for (const { local } of machine.slice(0, 5)) assert.equal(await answered('red6', local), false, local)
    // Who sits outside and knows the way does not come in either.
    const outsider = host.names.namespace(OUTSIDE.network)
    const inside = (...command: string[]) => attempt('ip', 'netns', 'exec', outsider, ...command)
    await inside('ip', 'route', 'add', '10.218.1.0/24', 'via', '10.219.4.10')
    assert.equal((await inside('ping', '-c', '1', '-W', '1', '10.218.1.7')).ok, false)
    await inside('ip', 'route', 'del', '10.218.1.0/24')
    assert.ok((await inside('ping', '-c', '1', '-W', '1', '10.219.4.107')).ok)
  })

  test('who sends too large a packet is told so, by what it knows of the guest', async () => {
    // Outside is wider than inside: the router itself has to tell.
    assert.ok(await reaches('10.219.4.105'))
    const large = await attempt(
      'ping',
      '-n',
      '-c',
      '2',
      '-i',
      '0.2',
      '-W',
      '1',
      '-M',
      'do',
      '-s',
      '1460',
      '10.219.4.105',
    )
    assert.match(large.text, /mtu ?= ?1450/)
    const answer = await guest('blue5').run(
      'ping',
      '-n',
      '-c',
      '1',
      '-W',
      '1',
      '-M',
      'do',
      '-s',
      '1460',
      '10.219.4.105',
    )
    assert.match(answer.text, /too long/)
    assert.ok(await guest('blue5').ping('10.219.4.105', '-M', 'do', '-s', '1400'))
  })

  test('a floating IP that is moved leads to the other guest at once, and connections to the former end', async () => {
    await guest('red5').echo(7)
    const talk = await guest('blue5').talk('10.219.4.105', 7)
    assert.ok(await talk.answers())
    await guest('redToo7').echo(7)
    const another = await guest('blue5').talk('10.219.4.107', 7)
    assert.ok(await another.answers())
    // One that never stops asking keeps its connection alive in the kernel: it, too, comes to the other guest.
    const pinging = attempt('ping', '-n', '-i', '0.1', '-c', '20', '-W', '1', '10.219.4.105')
    const before = await echoes('red6')
    await network.applyRouters([
      { ...RED_ROUTER, floatingIps: [floating(105, '10.218.0.6'), floating(107, '10.218.1.7')] },
      BLUE_ROUTER,
    ])
    assert.equal(await talk.answers(), false)
    assert.ok(await another.answers(), 'the others go on')
    await pinging
    assert.ok((await echoes('red6')) > before + 5)
    await network.applyRouters([RED_ROUTER, BLUE_ROUTER])
    assert.ok(await reaches('10.219.4.105'))
  })

  test('a floating IP that is taken away, or given to another router, leads nowhere else', async () => {
    await network.applyRouters([{ ...RED_ROUTER, floatingIps: [] }, BLUE_ROUTER])
    assert.equal(await reaches('10.219.4.105'), false)
    assert.ok(await reaches('10.219.4.205'))
    await network.applyRouters([
      { ...RED_ROUTER, floatingIps: [floating(205, '10.218.0.5')] },
      { ...BLUE_ROUTER, floatingIps: [floating(105, '10.218.0.5')] },
    ])
    assert.equal(await guest('blue5').ping('10.219.4.205'), true)
    await network.refresh([{ ...need(ports['blue5']), rules: [] }])
    assert.equal(await reaches('10.219.4.105'), false)
    assert.ok(await reaches('10.219.4.205'))
    await network.refresh([need(ports['blue5'])])
    await network.applyRouters([RED_ROUTER, BLUE_ROUTER])
  })

  test('extra routes lead over a guest, and are gone when they are taken away', async () => {
    const far = '10.217.0.1'
    await guest('red6').run('ip', 'addr', 'add', `${far}/32`, 'dev', 'lo')
    const behind = { ...need(ports['red6']), allowedPairs: [{ cidr: '10.217.0.0/24', mac: 'fa:16:3e:00:00:06' }] }
    await network.refresh([behind])
    assert.equal(await guest('redToo7').ping(far), false)
    await network.applyRouters([
      { ...RED_ROUTER, routes: [{ destination: '10.217.0.0/24', nexthop: '10.218.0.6' }] },
      BLUE_ROUTER,
    ])
    assert.ok(await guest('redToo7').ping(far))
    await network.applyRouters([RED_ROUTER, BLUE_ROUTER])
    assert.equal(await guest('redToo7').ping(far), false)
    await network.refresh([need(ports['red6'])])
  })

  test('without a gateway a router leads between its networks only; without translation a guest goes out as it is', async () => {
    await network.applyRouters([{ ...RED_ROUTER, gateway: null, floatingIps: [] }, BLUE_ROUTER])
    assert.ok(await guest('red5').ping('10.218.1.7'))
    assert.equal(await guest('red5').ping('10.219.4.1'), false)
    await network.applyRouters([{ ...RED_ROUTER, gateway: { ...need(RED_ROUTER.gateway), snat: false } }, BLUE_ROUTER])
    assert.equal(await guest('red6').ping('10.219.4.1'), false, 'nobody outside knows the way back')
    assert.ok(await guest('red5').ping('10.219.4.1'), 'a floating IP is translated all the same')
    await network.applyRouters([RED_ROUTER, BLUE_ROUTER])
    assert.ok(await guest('red6').ping('10.219.4.1'))
  })

  test('a router goes and comes with the guests of its networks', async () => {
    const before = await network.inventory()
    await network.unplug('blue5')
    const without = await network.inventory()
    assert.equal(without.namespaces.length, before.namespaces.length - 2)
    assert.equal(without.namespaces.includes(host.names.routerNamespace('blue')), false)
    assert.equal(await reaches('10.219.4.205'), false)
    guests.set('blue5', await host.guest(need(ports['blue5'])))
    await network.plug('blue5', [need(ports['blue5'])])
    assert.ok(await guest('blue5').dhcp())
    assert.ok(await reaches('10.219.4.205'))
  })

  test('after a restart of our process, and of the machine, all is as it was', async () => {
    await network.close()
    network = await hostNetwork(host.options)
    assert.ok(await reaches('10.219.4.105'))
    await network.close()
    for (const name of ['red', 'blue']) await attempt('ip', 'netns', 'delete', host.names.routerNamespace(name))
    await attempt('ip', 'netns', 'delete', host.names.namespace(OUTSIDE.network))
    network = await hostNetwork(host.options)
    for (const address of ['10.219.4.105', '10.219.4.107', '10.219.4.205']) assert.ok(await reaches(address), address)
  })

  test('a router that cannot be made says why, and keeps no other from being made', async () => {
    const flawed = {
      ...router('flawed', 30, [RED]),
      routes: [{ destination: '10.0.0.0/8; drop', nexthop: '10.218.0.6' }],
    }
    await assert.rejects(
      network.applyRouters([flawed, RED_ROUTER, BLUE_ROUTER]),
      /flawed is not made: .* is not a prefix/,
    )
    assert.ok(await reaches('10.219.4.105'))
  })
})

const firstLine = ({ ok, text }: { readonly ok: boolean; readonly text: string }): string => (ok ? text.trim() : '')

function need<T>(value: T | null | undefined): T {
  assert.ok(value)
  return value
}

test('a router on a network that this machine reaches: its guests keep answering at both addresses, and reach outside', async (context) => {
  const host = await bed()
  const network = await hostNetwork(host.options)
  context.after(async () => {
    await network.close()
    await host.remove()
  })
  const shared = { network: 'net-shared', cidr: '10.216.0.0/24', gateway: '10.216.0.1', routed: true }
  const own = port(5, shared)
  const guest = await host.guest(own)
  await network.plug('server-1', [own])
  assert.ok(await guest.dhcp())
  await guest.serve(80)
  const reaches = async (address: string) => firstLine(await attempt('busybox', 'nc', '-w', '1', address, '80'))
  assert.equal(await reaches('10.216.0.5'), 'hello')

  await network.applyRouters([router('shared', 40, [shared], { floatingIps: [floating(150, '10.216.0.5')] })])
  const gateway = async () => (await guest.run('ip', '-j', 'neigh', 'show', '10.216.0.1')).text
  await guest.ping('10.216.0.1')
  assert.match(await gateway(), /fa:16:3e:01/, 'the guest is told at once who its gateway is now')
  assert.equal(await reaches('10.219.4.150'), 'hello')
  assert.equal(await reaches('10.216.0.5'), 'hello')
  assert.ok(await guest.ping('10.219.4.1'))
  const metadata = () => guest.run('busybox', 'wget', '-q', '-O', '-', 'http://169.254.169.254/')
  assert.equal((await metadata()).text, 'you are server-1', 'with the lease from before')
  await guest.run('ip', 'addr', 'flush', 'dev', 'eth0')
  assert.equal((await guest.dhcp())?.['staticroutes'], '169.254.169.254/32 0.0.0.0 0.0.0.0/0 10.216.0.1')
  assert.equal((await metadata()).text, 'you are server-1')
  assert.equal(await reaches('10.216.0.5'), 'hello')

  await network.applyRouters([])
  assert.equal(await reaches('10.216.0.5'), 'hello')
  assert.equal((await attempt('ping', '-c', '1', '-W', '1', '10.219.4.150')).ok, false)
  assert.equal((await metadata()).text, 'you are server-1')
  await network.unplug('server-1')
  assert.deepEqual(await network.inventory(), nothing(host.names))
})

test('a guest that knows no other way than its router finds metadata over it', async (context) => {
  const host = await bed()
  const network = await hostNetwork(host.options)
  context.after(async () => {
    await network.close()
    await host.remove()
  })
  const ports = [at(5, RED), at(7, { ...RED_TOO, mac: 'fa:16:3e:00:00:07' })] as const
  await network.applyRouters([router('plain', 50, [RED, RED_TOO])])
  for (const [index, facts] of ports.entries()) {
    const guest = await host.guest(facts)
    await network.plug(`server-${index}`, [facts])
    const [address = ''] = facts.fixedIps.map((fixed) => fixed.address)
    await guest.run('ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0')
    await guest.run('ip', 'route', 'add', 'default', 'via', facts.subnets[0]?.gateway ?? '')
    const answer = await guest.run('busybox', 'wget', '-q', '-O', '-', 'http://169.254.169.254/')
    assert.equal(answer.text, `you are server-${index}`)
  }
  for (const index of ports.keys()) await network.unplug(`server-${index}`)
  assert.deepEqual(await network.inventory(), nothing(host.names))
})

test('where the machine lets guests beyond it, they reach what it reaches, as it, and neither it nor its other networks', async (context) => {
  const host = await bed()
  const setting = '/proc/sys/net/ipv4/ip_forward'
  const before = readFileSync(setting, 'utf8')
  const network = await hostNetwork({ ...host.options, beyond: true })
  const world = `kg${host.options.installationId}-w`
  context.after(async () => {
    writeFileSync(setting, before)
    await attempt('ip', 'netns', 'delete', world)
    await network.close()
    await host.remove()
  })
  await attempt('ip', 'netns', 'add', world)
  await attempt('ip', 'link', 'add', `${world}0`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', world)
  await attempt('ip', 'addr', 'add', '198.51.100.245/30', 'dev', `${world}0`)
  await attempt('ip', 'link', 'set', `${world}0`, 'up')
  // It knows no way to any of our addresses.
  await attempt('ip', '-n', world, 'addr', 'add', '198.51.100.246/30', 'dev', 'eth0')
  await attempt('ip', '-n', world, 'link', 'set', 'eth0', 'up')

  const shared = { network: 'net-shared', cidr: '10.216.0.0/24', gateway: '10.216.0.1', routed: true }
  const all = { plain: at(5, RED), named: port(6, { ...RED, mac: 'fa:16:3e:00:00:06' }), shared: port(5, shared) }
  await network.applyRouters([router('way', 60, [RED], { floatingIps: [floating(160, '10.218.0.6')] })])
  for (const [name, facts] of Object.entries(all)) {
    const guest = await host.guest(facts)
    await network.plug(name, [facts])
    assert.ok(await guest.dhcp())
    assert.ok(await guest.ping('198.51.100.246'), name)
    assert.equal(await guest.ping('198.51.100.245'), false, 'an address of the machine')
    if (name === 'shared') assert.equal(await guest.ping('10.219.4.160'), false, 'another of its networks')
  }
  for (const name of Object.keys(all)) await network.unplug(name)
})

test('where the way out is blocked, a router leads between its networks, and out as soon as the way is free', async (context) => {
  const host = await bed()
  const network = await hostNetwork(host.options)
  context.after(async () => {
    await attempt('ip', 'route', 'del', 'unreachable', OUTSIDE.cidr)
    await network.close()
    await host.remove()
  })
  await attempt('ip', 'route', 'add', 'unreachable', OUTSIDE.cidr)
  const own = [at(5, RED), at(7, { ...RED_TOO, mac: 'fa:16:3e:00:00:07' })] as const
  const guests = [await host.guest(own[0]), await host.guest(own[1])] as const
  for (const [index, facts] of own.entries()) await network.plug(`server-${index}`, [facts])
  for (const guest of guests) assert.ok(await guest.dhcp())
  const routers = [router('blocked', 80, [RED, RED_TOO])]
  await assert.rejects(network.applyRouters(routers), /this machine has a route to 10\.219\.4\.0\/24 already/)
  assert.ok(await guests[0].ping('10.218.1.7'))
  assert.equal(await guests[0].ping('10.219.4.1'), false)
  await attempt('ip', 'route', 'del', 'unreachable', OUTSIDE.cidr)
  await network.applyRouters(routers)
  assert.ok(await guests[0].ping('10.219.4.1'))
  for (const index of own.keys()) await network.unplug(`server-${index}`)
  assert.deepEqual(await network.inventory(), nothing(host.names))
})

test('killed at any moment while routers come or go, the next process finishes that, and nothing is left', async (context) => {
  const host = await bed()
  context.after(() => host.remove())
  const own = at(5, RED)
  const routers = [router('doomed', 70, [RED, RED_TOO], { floatingIps: [floating(170, '10.218.0.5')] })]
  const coming: readonly Order[] = [{ plug: 'server-x', ports: [own] }, { routers }]
  const going: readonly Order[] = [{ routers }, { plug: 'server-x', ports: [own] }, { unplug: 'server-x' }]
  for (let afterMs = 0; afterMs <= 200; afterMs += 50) {
    for (const orders of [coming, going]) {
      await killedDuring(host, orders, afterMs)
      const network = await hostNetwork(host.options)
      if (orders === coming) {
        await network.applyRouters(routers)
        const { namespaces, routes } = await network.inventory()
        assert.ok(namespaces.includes(host.names.routerNamespace('doomed')))
        assert.equal(namespaces.length, 4)
        assert.deepEqual(routes, [OUTSIDE.cidr])
      }
      await network.unplug('server-x')
      assert.deepEqual(await network.inventory(), nothing(host.names))
      await network.close()
    }
  }
})

/** The last order is cut short after so long. */
async function killedDuring({ options }: Bed, orders: readonly Order[], afterMs: number): Promise<void> {
  const program = fileURLToPath(new URL('network-process.ts', import.meta.url))
  const args = [program, options.installationId, options.stateDir, options.metadata?.proxyTo ?? '']
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const exit = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => (await lines.next()).value as unknown
  assert.equal(await next(), 'ready')
  for (const [index, order] of orders.entries()) {
    child.stdin.write(`${JSON.stringify(order)}\n`)
    assert.equal(await next(), 'began')
    if (index === orders.length - 1) await delay(afterMs)
    else assert.equal(await next(), 'done')
  }
  child.kill('SIGKILL')
  await exit
}
