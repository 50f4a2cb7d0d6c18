// The guests' networks on a real host: addresses, metadata, reachability, isolation and filters, with namespaces for guests.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { PortFacts } from '../src/virt/driver.ts'
import { applyHostFilter } from '../src/virt/network/host-filter.ts'
import { hostNetwork, type HostNetwork } from '../src/virt/network/host-network.ts'
import { type Bed, bed, nothing, OPEN, port, rule } from './host-network-bed.ts'
import { attempt, type VethGuest } from './veth-guest.ts'

describe('two guests on a routed network', () => {
  let host: Bed
  let network: HostNetwork
  let a: VethGuest
  let b: VethGuest
  const portA = port(5)
  const portB = port(6)

  before(async () => {
    host = await bed()
    network = await hostNetwork(host.options)
    a = await host.guest(portA)
    b = await host.guest(portB)
    await network.plug('server-a', [portA])
    await network.plug('server-b', [portB])
  })
  after(async () => {
    await network.unplug('server-a')
    await network.unplug('server-b')
    assert.deepEqual(await network.inventory(), nothing(host.names))
    await network.close()
    await host.remove()
  })

  test('each gets its own address, name, routes, MTU and name server by DHCP', async () => {
    const lease = await a.dhcp()
    assert.equal(lease?.ip, '10.213.0.5')
    assert.equal(lease['mask'], '20')
    assert.equal(lease['router'], '10.213.0.1')
    assert.equal(lease['mtu'], '1450')
    assert.equal(lease['dns'], '198.51.100.53')
    assert.equal(lease['hostname'], 'guest-5')
    assert.equal(lease['staticroutes'], '169.254.169.254/32 10.213.0.1 0.0.0.0/0 10.213.0.1')
    assert.equal((await b.dhcp())?.ip, '10.213.0.6')
  })

  test('a card that no port has gets no address', async () => {
    const stranger = port(7, { mac: 'fa:16:3e:00:00:99', portSecurity: false })
    const guest = await host.guest(stranger)
    await network.plug('server-c', [stranger])
    await guest.setMac('fa:16:3e:00:00:77')
    assert.equal(await guest.dhcp(), undefined)
    await network.unplug('server-c')
  })

  test('metadata knows the guest by its address, whatever it says of itself', async () => {
    const lie = ['--header', 'X-Instance-ID: server-b', '--header', 'X-Forwarded-For: 10.213.0.6']
    const answer = await a.run(
      'busybox',
      'wget',
      '-q',
      '-O',
      '-',
      ...lie,
      'http://169.254.169.254/openstack/latest/meta_data.json',
    )
    assert.equal(answer.text, 'you are server-a')
    const { path, headers } = host.asked.at(-1) ?? { path: '', headers: {} }
    assert.equal(path, '/openstack/latest/meta_data.json')
    assert.equal(headers['x-forwarded-for'], '10.213.0.5')
    assert.match(String(headers['x-instance-id-signature']), /^[0-9a-f]{64}$/)
    assert.equal((await b.run('busybox', 'wget', '-q', '-O', '-', 'http://169.254.169.254/')).text, 'you are server-b')
  })

  test('this machine reaches a guest at its address and is answered', async () => {
    await a.serve(22)
    assert.ok((await attempt('ping', '-c', '1', '-W', '1', '10.213.0.5')).ok)
    assert.match((await attempt('busybox', 'nc', '-w', '1', '10.213.0.5', '22')).text, /^hello/)
    assert.ok(await a.ping('10.213.0.6'))
  })

  test('a guest reaches nothing that this machine serves, at none of its addresses', async (context) => {
    const server = createServer((socket) => socket.on('error', () => undefined).end('hello\n'))
    await new Promise<void>((done) => server.listen(0, '0.0.0.0', done))
    context.after(() => server.close())
    const { port: open } = server.address() as AddressInfo
    const addresses = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter(({ family, internal }) => family === 'IPv4' && !internal)
      .map(({ address }) => address)
    const wire = JSON.parse((await attempt('ip', '-j', 'route', 'get', '10.213.0.5')).text) as { prefsrc: string }[]
    assert.ok(addresses.includes(wire[0]?.prefsrc ?? ''), 'the wire has an address of this machine')
    for (const address of [...addresses, '10.213.0.1', '169.254.169.254'])
      assert.equal(await a.connect(address, open), undefined, address)
    assert.equal(await a.ping(wire[0]?.prefsrc ?? ''), false)
    // The same, without the table: so it was that which stopped it.
    await attempt('nft', 'delete', 'table', 'inet', host.names.hostTable)
    assert.equal(await a.connect(wire[0]?.prefsrc ?? '', open), 'hello')
    await applyHostFilter(host.names)
    assert.equal(await a.connect(wire[0]?.prefsrc ?? '', open), undefined)
  })

  test('this machine forwards nothing for a guest, even where it forwards for others', async (context) => {
    const other = `kg${host.options.installationId}-x`
    const inOther = (...args: string[]) => attempt('ip', '-n', other, ...args)
    await attempt('ip', 'netns', 'add', other)
    await attempt('ip', 'link', 'add', `${other}0`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', other)
    await attempt('ip', 'addr', 'add', '198.51.100.249/30', 'dev', `${other}0`)
    await attempt('ip', 'link', 'set', `${other}0`, 'up')
    await inOther('addr', 'add', '198.51.100.250/30', 'dev', 'eth0')
    await inOther('link', 'set', 'eth0', 'up')
    await inOther('route', 'add', 'default', 'via', '198.51.100.249')
    const setting = '/proc/sys/net/ipv4/ip_forward'
    const before = readFileSync(setting, 'utf8')
    writeFileSync(setting, '1')
    context.after(async () => {
      writeFileSync(setting, before)
      await attempt('ip', 'netns', 'delete', other)
    })
    const ping = attempt.bind(undefined, 'nsenter', `--net=/run/netns/${other}`, 'ping', '-n', '-c', '1', '-W', '1')
    assert.ok((await ping('10.213.0.5')).ok, 'a way there is open, and for answers')
    assert.equal(await a.ping('198.51.100.250'), false)
    await attempt('nft', 'delete', 'table', 'inet', host.names.hostTable)
    assert.ok(await a.ping('198.51.100.250'))
    await applyHostFilter(host.names)
  })

  test('a guest that claims another address, by IP or by ARP, is not heard', async () => {
    await a.run('ip', 'addr', 'add', '10.213.0.66/20', 'dev', 'eth0')
    assert.equal(await a.ping('10.213.0.6', '-I', '10.213.0.66'), false)
    const claim = () =>
      a.run('busybox', 'arping', '-c', '1', '-w', '1', '-I', 'eth0', '-s', '10.213.0.66', '10.213.0.6')
    assert.equal((await claim()).ok, false)
    // The same, once nobody guards the port: so it was the guard that stopped it.
    await network.plug('server-a', [{ ...portA, portSecurity: false }])
    assert.ok((await claim()).ok)
    assert.ok(await a.ping('10.213.0.6', '-I', '10.213.0.66'))
    await network.plug('server-a', [portA])
    assert.equal((await claim()).ok, false)
    await a.run('ip', 'addr', 'del', '10.213.0.66/20', 'dev', 'eth0')
  })

  test("a guest with another card's MAC is not heard", async () => {
    await a.setMac('fa:16:3e:00:00:06')
    assert.equal(await a.ping('10.213.0.6'), false)
    await a.setMac(portA.mac)
    assert.ok(await a.ping('10.213.0.6'))
  })

  test('security groups let in what they say and what was asked for, nothing else, and follow a change', async () => {
    await b.serve(80)
    await b.serve(443)
    const closed = [rule('egress', null), rule('ingress', 'tcp', 80, ['10.213.0.5/32'])]
    await network.plug('server-b', [{ ...portB, rules: closed }])
    assert.equal(await a.connect('10.213.0.6', 80), 'hello')
    assert.equal(await a.connect('10.213.0.6', 443), undefined)
    assert.equal(
      (await attempt('busybox', 'nc', '-w', '1', '10.213.0.6', '80')).ok,
      false,
      'this machine is not among the peers',
    )
    assert.equal(await b.connect('10.213.0.5', 22), 'hello', 'answers come back')
    assert.equal(await a.ping('10.213.0.6'), false)
    assert.ok(await b.ping('10.213.0.5'))

    await network.plug('server-a', [{ ...portA, rules: [rule('ingress', null), rule('egress', 'tcp', 443)] }])
    assert.equal(await a.connect('10.213.0.6', 80), undefined, 'its own group lets it send elsewhere only')
    const metadata = await a.run('busybox', 'wget', '-q', '-O', '-', 'http://169.254.169.254/')
    assert.equal(metadata.text, 'you are server-a', 'metadata is always allowed')

    await network.plug('server-a', [portA])
    await network.plug('server-b', [{ ...portB, rules: OPEN }])
    assert.equal(await a.connect('10.213.0.6', 443), 'hello')
  })

  test('a connection ends with the rule that allowed it, in both directions, and others go on', async () => {
    await b.echo(2000)
    await b.echo(2001)
    const lets = (...ports: number[]) => [rule('egress', null), ...ports.map((each) => rule('ingress', 'tcp', each))]
    await network.refresh([{ ...portB, rules: lets(2000, 2001) }])
    const [cut, kept] = [await a.talk('10.213.0.6', 2000), await a.talk('10.213.0.6', 2001)]
    assert.ok(await cut.answers())
    assert.ok(await kept.answers())
    await network.refresh([{ ...portB, rules: lets(2001) }])
    assert.equal(await cut.answers(), false)
    assert.ok(await kept.answers())
    await network.refresh([{ ...portA, rules: [rule('ingress', null)] }])
    assert.equal(await kept.answers(), false, 'nor may the one who asked send any more')
    await network.refresh([portA, { ...portB, rules: lets(2001) }])
    assert.ok(await kept.answers(), 'TCP goes on where a rule allows it again')
    await network.refresh([portB])
  })

  test('of a remote group, one who is no member any more is cut off', async () => {
    await b.echo(2002)
    const from = (address: string) => [rule('egress', null), rule('ingress', 'tcp', 2002, [`${address}/32`])]
    await network.refresh([{ ...portB, rules: from('10.213.0.5') }])
    const talk = await a.talk('10.213.0.6', 2002)
    assert.ok(await talk.answers())
    await network.refresh([{ ...portB, rules: from('10.213.0.7') }])
    assert.equal(await talk.answers(), false)
    await network.refresh([portB])
  })

  test('a stateless group lets answers pass only by a rule of their own', async () => {
    const stateless = (...rules: ReturnType<typeof rule>[]) => rules.map((each) => ({ ...each, stateful: false }))
    await a.serve(2100)
    await network.refresh([{ ...portB, rules: stateless(rule('egress', null)) }])
    assert.equal(await b.connect('10.213.0.5', 2100), undefined)
    await network.refresh([{ ...portB, rules: stateless(rule('egress', null), rule('ingress', 'tcp')) }])
    assert.equal(await b.connect('10.213.0.5', 2100), 'hello')
    assert.equal(await a.ping('10.213.0.6'), false)
    await network.refresh([portB])
  })

  test('ICMP by type and code', async () => {
    const icmp = { ...rule('ingress', 'icmp'), portMin: 13, portMax: 0 }
    await network.refresh([{ ...portB, rules: [rule('egress', null), icmp] }])
    assert.equal(await a.ping('10.213.0.6'), false)
    await network.refresh([{ ...portB, rules: [rule('egress', null), { ...icmp, portMin: 8 }] }])
    assert.ok(await a.ping('10.213.0.6'))
    await network.refresh([portB])
  })

  test('an allowed address pair may be used, by who has it alone', async () => {
    await a.run('ip', 'addr', 'add', '10.213.7.7/20', 'dev', 'eth0')
    const uses = () => a.ping('10.213.0.6', '-I', '10.213.7.7')
    assert.equal(await uses(), false)
    const pair = (cidr: string) => network.refresh([{ ...portA, allowedPairs: [{ cidr, mac: portA.mac }] }])
    await pair('10.213.7.7/32')
    assert.ok(await uses())
    assert.ok((await attempt('ping', '-c', '1', '-W', '1', '10.213.7.7')).ok, 'this machine reaches it too')
    await pair('10.213.6.0/24')
    assert.equal(await uses(), false)
    await pair('10.213.6.0/23')
    assert.ok(await uses())
    await network.refresh([portA])
    assert.equal(await uses(), false)
    await a.run('ip', 'addr', 'del', '10.213.7.7/20', 'dev', 'eth0')
  })

  test('through a port that is down nothing passes, not even DHCP', async () => {
    await network.refresh([{ ...portB, adminUp: false }])
    assert.equal(await a.ping('10.213.0.6'), false)
    assert.equal(await b.dhcp(), undefined)
    await network.refresh([{ ...portB, adminUp: false, portSecurity: false }])
    assert.equal(await b.ping('10.213.0.5'), false)
    await network.refresh([portB])
    assert.equal((await b.dhcp())?.ip, '10.213.0.6')
  })

  test('what a host is told of a port that it has not, or again, changes nothing', async () => {
    const before = await network.inventory()
    await network.refresh([port(40), portA, portB])
    assert.deepEqual(await network.inventory(), before)
    await assert.rejects(network.refresh([{ ...portA, mtu: 1 }]), /is not brought up to date: MTU/)
    assert.ok(await a.ping('10.213.0.6'))
  })

  test('an empty list of rules lets nothing in and nothing out but DHCP and metadata', async () => {
    await network.plug('server-b', [{ ...portB, rules: [] }])
    assert.equal(await b.ping('10.213.0.5'), false)
    assert.equal(await a.ping('10.213.0.6'), false)
    await b.run('ip', 'addr', 'flush', 'dev', 'eth0')
    assert.equal((await b.dhcp())?.ip, '10.213.0.6')
    assert.equal((await b.run('busybox', 'wget', '-q', '-O', '-', 'http://169.254.169.254/')).text, 'you are server-b')
    await network.plug('server-b', [portB])
  })

  test('an address goes to its new owner although the former one has a lease on it', async () => {
    const former = port(9)
    const guest = await host.guest(former)
    await network.plug('server-d', [former])
    assert.equal((await guest.dhcp())?.ip, '10.213.0.9')
    await network.unplug('server-d')
    const next = port(9, { mac: 'fa:16:3e:00:99:09', id: 'port-next' })
    const heir = await host.guest(next)
    await network.plug('server-e', [next])
    assert.equal((await heir.dhcp())?.ip, '10.213.0.9')
    await network.unplug('server-e')
  })

  test('a second network for the same routed addresses is refused with the reason, and leaves nothing', async () => {
    const before = await network.inventory()
    await assert.rejects(
      network.plug('server-f', [port(5, { network: 'net-twin' })]),
      /has a route to 10\.213\.0\.0\/20 already/,
    )
    await network.unplug('server-f')
    assert.deepEqual(await network.inventory(), before)
  })

  test('facts that no filter could hold are refused before anything is made', async () => {
    const flawed = { ...port(11), rules: [rule('ingress', 'tcp', 22, ['10.0.0.0/8 }; drop'])] }
    await assert.rejects(network.plug('server-g', [flawed]), /security group rule cannot be enforced/)
    assert.deepEqual(await network.nics('server-g'), [])
  })
})

test('two networks with the same addresses do not see each other, and metadata tells their guests apart', async (context) => {
  const host = await bed()
  const network = await hostNetwork(host.options)
  context.after(async () => {
    await network.close()
    await host.remove()
  })
  const wish = { cidr: '10.214.0.0/24', gateway: null, routed: false }
  const one = [
    port(5, { ...wish, network: 'net-one' }),
    port(6, { ...wish, network: 'net-one', mac: 'fa:16:3e:00:00:06' }),
  ] as const
  const two = port(5, { ...wish, network: 'net-two', mac: 'fa:16:3e:00:00:05' })
  const guests = [await host.guest(one[0]), await host.guest(two)] as const
  await Promise.all([network.plug('server-1', [one[0]]), network.plug('server-2', [two])])
  for (const guest of guests) {
    const lease = await guest.dhcp()
    assert.equal(lease?.ip, '10.214.0.5')
    assert.equal(lease['router'], undefined)
    assert.equal(lease['staticroutes'], '169.254.169.254/32 0.0.0.0')
  }
  for (const [index, guest] of guests.entries()) {
    assert.equal(
      (await guest.run('busybox', 'wget', '-q', '-O', '-', 'http://169.254.169.254/')).text,
      `you are server-${index + 1}`,
    )
  }
  const neighbour = await host.guest(one[1])
  await network.plug('server-3', [one[1]])
  await neighbour.dhcp()
  assert.ok(await guests[0].ping('10.214.0.6'))
  assert.equal(await guests[1].ping('10.214.0.6'), false)
  for (const server of ['server-1', 'server-2', 'server-3']) await network.unplug(server)
  assert.deepEqual(await network.inventory(), nothing(host.names))
})

test('version 6: guests make their addresses from what is announced, or ask for them, and no neighbour forges one', async (context) => {
  const host = await bed()
  const network = await hostNetwork(host.options)
  context.after(async () => {
    await network.close()
    await host.remove()
  })
  const rules = [
    { ...rule('egress', null), version: 6 as const },
    { ...rule('ingress', 'icmpv6'), version: 6 as const, portMin: 128 },
  ]
  const six = (number: number, mode: 'slaac' | 'dhcpv6-stateful', address: string): PortFacts => ({
    ...port(number, { network: `net-${mode}`, rules }),
    fixedIps: [{ address, subnetId: mode }],
    subnets: [
      {
        id: mode,
        cidr: 'fd00:0:0:6::/64',
        gateway: 'fd00:0:0:6::1',
        dhcp: true,
        dnsServers: [],
        hostRoutes: [],
        routed: mode === 'slaac',
        raMode: mode,
        addressMode: mode,
      },
    ],
  })
  // What a card makes of the prefix: its own digits.
  const slaac = [six(5, 'slaac', 'fd00::6:f816:3eff:fe00:5'), six(6, 'slaac', 'fd00::6:f816:3eff:fe00:6')] as const
  const [a, b] = [await host.guest(slaac[0]), await host.guest(slaac[1])]
  await network.plug('server-a', [slaac[0]])
  await network.plug('server-b', [slaac[1]])
  const has = async (guest: VethGuest, address: string) =>
    (await guest.run('ip', '-6', 'addr', 'show', 'dev', 'eth0')).text.includes(`${address}/64`)
  await until(async () => (await has(a, 'fd00::6:f816:3eff:fe00:5')) && has(b, 'fd00::6:f816:3eff:fe00:6'))
  await until(() => a.ping('fd00::6:f816:3eff:fe00:6'))
  assert.match((await a.run('cat', '/proc/sys/net/ipv6/conf/eth0/mtu')).text, /^1450$/m)
  assert.equal((await a.run('ip', '-6', 'route', 'show', 'default')).text, '', 'nothing of ours routes version 6')
  await a.run('ip', 'addr', 'add', 'fd00:0:0:6::66/64', 'dev', 'eth0', 'nodad')
  assert.equal(await a.ping('fd00::6:f816:3eff:fe00:6', '-I', 'fd00:0:0:6::66'), false)
  await network.refresh([{ ...slaac[0], allowedPairs: [{ cidr: 'fd00:0:0:6::/120', mac: slaac[0].mac }] }])
  assert.ok(await a.ping('fd00::6:f816:3eff:fe00:6', '-I', 'fd00:0:0:6::66'))
  await network.refresh([{ ...slaac[0], rules: [] }])
  assert.equal(await b.ping('fd00::6:f816:3eff:fe00:5'), false)

  const asked = six(7, 'dhcpv6-stateful', 'fd00:0:0:6::77')
  const c = await host.guest(asked)
  await network.plug('server-c', [asked])
  const solicit = fileURLToPath(new URL('solicit6.ts', import.meta.url))
  const ask = async () => (await c.run(process.execPath, solicit, 'eth0', asked.mac)).text
  await until(async () => (await ask()) === 'offered fd000000000000060000000000000077\n')
  for (const server of ['server-a', 'server-b', 'server-c']) await network.unplug(server)
  assert.deepEqual(await network.inventory(), nothing(host.names))
})

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const late = performance.now() + 15_000; !(await holds()); await delay(50))
    if (performance.now() > late) assert.fail('it does not come to hold')
}
