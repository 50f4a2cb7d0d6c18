// Networks as tenants have them, with real guests: rules that change under connections, two projects on the same addresses, guests that
// lie about who they are, and what a guest reaches of the machine. Each thing that is not let through is shown to pass where nobody guards.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer as listen, type Socket } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { Session } from '@kilonova/cloud/session.ts'
import { cloudProcess, type CloudProcess } from '../cloud-process.ts'
import {
  arp,
  cookie,
  ethernet,
  EVERYBODY,
  FRAMES_PROGRAM,
  icmp6,
  linkLocalBytes,
  oddOption,
  record,
  type Station,
  udp4,
  udp6,
} from '../guest-frames.ts'
import { inGuest, newKey } from '../guest-shell.ts'
import { leftoversOf } from '../leftovers.ts'
import { active, idOf, removeServer } from '../servers.ts'

const SECOND_MS = 1_000
/** The network of both projects, with the same addresses. */
const TWIN_CIDR = '10.99.0.0/24'
const TWIN = { a: '10.99.0.10', b: '10.99.0.11' }

interface Guest {
  readonly id: string
  readonly session: Session
  /** Of its card on `private`. */
  readonly port: string
  readonly mac: string
  readonly ip: string
  sh(command: string): Promise<string>
}

let cloud: CloudProcess
let folder = ''
let demo: Session
let admin: Session
/** Of demo. */
let a: Guest
let b: Guest
/** Of another project. */
let c: Guest
let group = ''

const make = async (session: Session, what: string, fields: object): Promise<string> => {
  const { body } = await session.call('network', 'POST', `/v2.0/${what.replaceAll('_', '-')}s`, { [what]: fields })
  return (body as Record<string, { id: string }>)[what]?.id ?? ''
}

async function twin(session: Session): Promise<string> {
  const network = await make(session, 'network', { name: 'twin' })
  await make(session, 'subnet', { network_id: network, ip_version: 4, cidr: TWIN_CIDR, gateway_ip: null })
  return network
}

async function boot(session: Session, name: string, twinNetwork: string, twinAddress: string): Promise<Guest> {
  const key = join(folder, 'key')
  const own = await idOf(session, 'network', '/v2.0/networks', 'private')
  const { body } = await session.call('compute', 'POST', '/servers', {
    server: {
      name,
      flavorRef: '42',
      imageRef: await idOf(session, 'image', '/v2/images', 'demo'),
      networks: [{ uuid: own }, { uuid: twinNetwork, fixed_ip: twinAddress }],
      key_name: 'mine',
      ...(session === demo ? { security_groups: [{ name: 'tested' }] } : {}),
    },
  })
  const { id } = (body as { server: { id: string } }).server
  await active(session, id, 60_000)
  const { body: list } = await session.call('network', 'GET', `/v2.0/ports?device_id=${id}&network_id=${own}`)
  const [port] = (list as { ports: { id: string; mac_address: string; fixed_ips: { ip_address: string }[] }[] }).ports
  assert.ok(port)
  const ip = port.fixed_ips[0]?.ip_address ?? ''
  return { id, session, port: port.id, mac: port.mac_address, ip, sh: (command) => inGuest(ip, key, command, 120_000) }
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'network-'))
  await newKey(join(folder, 'key'))
  cloud = await cloudProcess()
  await cloud.start()
  ;[demo, admin] = [await cloud.session('demo'), await cloud.session('admin')]
  for (const session of [demo, admin])
    await session.call('compute', 'POST', '/os-keypairs', {
      keypair: { name: 'mine', type: 'ssh', public_key: readFileSync(join(folder, 'key.pub'), 'utf8').trim() },
    })
  group = await make(demo, 'security_group', { name: 'tested' })
  await rule({ protocol: 'tcp', port_range_min: 22, port_range_max: 22 })
  const [ours, theirs] = [await twin(demo), await twin(admin)]
  const guests = [boot(demo, 'a', ours, TWIN.a), boot(demo, 'b', ours, TWIN.b), boot(admin, 'c', theirs, TWIN.b)]
  const [first, second, third] = await Promise.all(guests)
  assert.ok(first && second && third)
  ;[a, b, c] = [first, second, third]
  for (const [guest, address] of [
    [a, TWIN.a],
    [b, TWIN.b],
    [c, TWIN.b],
  ] as const) {
    await guest.sh(
      `sudo ip link set eth1 up; ip -4 addr show dev eth1 | grep -q ${address} || sudo ip addr add ${address}/24 dev eth1`,
    )
    await guest.sh(`echo ${FRAMES_PROGRAM} | base64 -d >/tmp/frames && chmod +x /tmp/frames`)
  }
})
after(async () => {
  await cloud?.remove()
  rmSync(folder, { recursive: true, force: true })
})

const rule = (fields: object): Promise<string> =>
  make(demo, 'security_group_rule', { security_group_id: group, direction: 'ingress', ...fields })
const set = (port: string, fields: object) => admin.call('network', 'PUT', `/v2.0/ports/${port}`, { port: fields })
const guard = (guest: Guest) => set(guest.port, { port_security_enabled: true, security_groups: [group] })
const unguard = (guest: Guest) => set(guest.port, { port_security_enabled: false, security_groups: [] })

/** A connection to an echo, from this machine. */
function dial(ip: string, port: number): Promise<Socket | undefined> {
  return new Promise((done) => {
    const socket = connect({ host: ip, port })
    const give = (value: Socket | undefined) => {
      clearTimeout(late)
      if (!value) socket.destroy()
      done(value)
    }
    const late = setTimeout(give, 100, undefined)
    socket.on('connect', () => give(socket))
    socket.on('error', () => give(undefined))
  })
}

async function echoes(socket: Socket, word: string, milliseconds: number): Promise<boolean> {
  let heard = ''
  const hear = (data: Buffer) => (heard += data.toString())
  socket.on('data', hear)
  socket.write(`${word}\n`)
  for (const until = performance.now() + milliseconds; performance.now() < until && !heard.includes(word);)
    await pause(5)
  socket.off('data', hear)
  return heard.includes(word)
}

/** Milliseconds until it holds. */
async function soon(holds: () => Promise<boolean>): Promise<number> {
  const began = performance.now()
  while (!(await holds())) if (performance.now() - began > 10 * SECOND_MS) assert.fail('it does not come to hold')
  return performance.now() - began
}

test('a rule takes effect on a running guest within a second, and a connection ends with the rule that allowed it', async () => {
  for (const port of [7000, 7001]) await b.sh(`(nc -ll -p ${port} -e cat >/dev/null 2>&1 &)`)
  assert.equal(await dial(b.ip, 7000), undefined)
  await rule({ protocol: 'tcp', port_range_min: 7001, port_range_max: 7001 })
  const first = await rule({ protocol: 'tcp', port_range_min: 7000, port_range_max: 7000 })
  let socket: Socket | undefined
  const opened = await soon(async () => (socket = await dial(b.ip, 7000)) !== undefined)
  const other = await dial(b.ip, 7001)
  assert.ok(socket && other)
  for (const each of [socket, other]) assert.ok(await echoes(each, 'one', 2 * SECOND_MS))
  await demo.call('network', 'DELETE', `/v2.0/security-group-rules/${first}`)
  const open = socket
  let count = 0
  const cut = await soon(async () => !(await echoes(open, `word-${count++}`, 150)))
  assert.equal(await echoes(open, 'two', 3 * SECOND_MS), false)
  assert.ok(await echoes(other, 'two', 2 * SECOND_MS), 'another connection goes on')
  console.log(`a rule added: ${Math.round(opened)} ms, removed: ${Math.round(cut - 150)} ms`)
  assert.ok(opened < SECOND_MS && cut - 150 < SECOND_MS)
  for (const each of [open, other]) each.destroy()
})

test('a port that is taken down, or leaves its group, is cut off within a second', async () => {
  const reached = async () => {
    const socket = await dial(b.ip, 22)
    socket?.destroy()
    return socket !== undefined
  }
  assert.ok(await reached())
  for (const [fields, back] of [
    [{ admin_state_up: false }, { admin_state_up: true }],
    [{ security_groups: [] }, { security_groups: [group] }],
  ]) {
    await set(b.port, fields ?? {})
    const cut = await soon(async () => !(await reached()))
    // Before anything is said of it: the guest is needed by the tests that follow.
    await set(b.port, back ?? {})
    const open = await soon(reached)
    assert.ok(cut < SECOND_MS + 100 && open < SECOND_MS + 100, `cut off after ${cut} ms, let in again after ${open} ms`)
  }
})

/** Frames of a, and whether the unguarded b hears them. */
async function heardBy(
  hearer: Guest,
  link: string,
  sender: Guest,
  frames: ReadonlyMap<string, Buffer>,
): Promise<string[]> {
  const index = Number(await sender.sh(`cat /sys/class/net/${link}/ifindex`))
  // A command may have 9 000 bytes; records are mostly empty.
  const text = gzipSync(Buffer.concat([...frames.values()].map((frame) => record(index, frame)))).toString('base64')
  const hearing = hearer.sh('sudo timeout 6 /tmp/frames hear >/tmp/heard 2>/dev/null; base64 </tmp/heard')
  await pause(2 * SECOND_MS) // nothing tells that it hears by now
  await sender.sh(`echo ${text} | base64 -d | gunzip >/tmp/records; sudo sh -c '/tmp/frames </tmp/records'`)
  const heard = Buffer.from(await hearing, 'base64')
  return [...frames].filter(([name]) => heard.includes(marks.get(name) ?? 'nothing')).map(([name]) => name)
}
const marks = new Map<string, Buffer>()
const mark = (name: string): Buffer => {
  const known = marks.get(name) ?? cookie(name)
  marks.set(name, known)
  return known
}

function lies(self: Station, victim: Station, gateway: Station): ReadonlyMap<string, Buffer> {
  const stranger = { mac: 'fa:16:3e:66:66:66', ip: gateway.ip.replace(/\d+$/, '222') }
  const everybody = { mac: EVERYBODY, ip: '255.255.255.255' }
  const own6 = linkLocalBytes(self.mac)
  const prefix = Buffer.from('0304404000015180000038400000000020010db8000000000000000000000000', 'hex')
  const router = Buffer.concat([Buffer.from('40000708000000000000000000', 'hex').subarray(0, 12), prefix])
  const frame = new Map<string, (bytes: Buffer) => Buffer>([
    ["another card's MAC", (it) => udp4({ ...self, mac: stranger.mac }, victim, [9, 9], it)],
    ["the gateway's MAC", (it) => arp(gateway.mac, 'request', self, victim, it)],
    ['another IP', (it) => udp4({ ...self, ip: stranger.ip }, victim, [9, 9], it)],
    ["the victim's own IP", (it) => udp4({ ...self, ip: victim.ip }, victim, [9, 9], it)],
    ["ARP: the gateway's address is here", (it) => arp(self.mac, 'reply', { ...self, ip: gateway.ip }, victim, it)],
    [
      'ARP: gratuitous, for a free address',
      (it) => arp(self.mac, 'request', { ...self, ip: stranger.ip }, stranger, it),
    ],
    [
      "ARP: my address is at another's card",
      (it) => arp(self.mac, 'reply', { ...self, mac: stranger.mac }, victim, it),
    ],
    ['DHCP: an offer', (it) => udp4(self, everybody, [67, 68], it)],
    ['DHCPv6: an advertisement', (it) => udp6(self.mac, own6, [547, 546], it)],
    ['a router advertisement', (it) => icmp6(self.mac, own6, 134, Buffer.concat([router, oddOption(it)]))],
    [
      'a router advertisement behind a fragment header',
      (it) => icmp6(self.mac, own6, 134, Buffer.concat([router, oddOption(it)]), true),
    ],
    ['a redirect', (it) => icmp6(self.mac, own6, 137, Buffer.concat([Buffer.alloc(36), oddOption(it)]))],
    [
      "a neighbour advertisement for another's address",
      (it) =>
        icmp6(
          self.mac,
          own6,
          136,
          Buffer.concat([Buffer.from('20000000', 'hex'), linkLocalBytes(stranger.mac), oddOption(it)]),
        ),
    ],
    [
      "a neighbour solicitation from another's address",
      (it) => icmp6(self.mac, linkLocalBytes(stranger.mac), 135, Buffer.concat([Buffer.alloc(4), own6, oddOption(it)])),
    ],
    ['a protocol of its own', (it) => ethernet(EVERYBODY, self.mac, 0x88b5, it)],
  ])
  return new Map([...frame].map(([name, build]) => [name, build(mark(name))]))
}

const truths = (self: Station, victim: Station): ReadonlyMap<string, Buffer> =>
  new Map([
    ['UDP as it is', udp4(self, victim, [9, 9], mark('UDP as it is'))],
    ['ARP as it is', arp(self.mac, 'request', self, victim, mark('ARP as it is'))],
    [
      'its own neighbour advertisement',
      icmp6(
        self.mac,
        linkLocalBytes(self.mac),
        136,
        Buffer.concat([
          Buffer.from('20000000', 'hex'),
          linkLocalBytes(self.mac),
          oddOption(mark('its own neighbour advertisement')),
        ]),
      ),
    ],
  ])

test('a guest that forges MAC, IP, ARP, DHCP, router or neighbour advertisements is not heard; its own word is', async () => {
  const { body } = await demo.call('network', 'GET', '/v2.0/subnets?name=private')
  const ip = (body as { subnets: { gateway_ip: string }[] }).subnets[0]?.gateway_ip ?? ''
  const neighbour = await a.sh(`ping -c 1 ${ip} >/dev/null; ip neigh show ${ip}`)
  const gateway = { ip, mac: /lladdr (\S+)/.exec(neighbour)?.[1] ?? '' }
  const forged = lies(a, b, gateway)
  const true_ = truths(a, b)
  await unguard(b)
  await pause(SECOND_MS)
  assert.deepEqual(await heardBy(b, 'eth0', a, new Map([...forged, ...true_])), [...true_.keys()])
  await unguard(a)
  await pause(SECOND_MS)
  assert.deepEqual(await heardBy(b, 'eth0', a, forged), [...forged.keys()], 'each of them passes where nobody guards')
  await guard(a)
  await guard(b)
})

test('a rogue DHCP server gives no address to its neighbour', async () => {
  const config = `interface eth1\\nstart 10.99.0.200\\nend 10.99.0.201\\nlease_file /tmp/leases\\n`
  await a.sh(
    `printf '${config}' >/tmp/udhcpd.conf; touch /tmp/leases; sudo sh -c '(udhcpd -f /tmp/udhcpd.conf >/dev/null 2>&1 &)'`,
  )
  const ask = () => b.sh("sudo udhcpc -i eth1 -n -q -t 3 -T 1 -f -s /bin/true 2>&1 | grep -c 'obtained' || true")
  const { body } = await demo.call('network', 'GET', '/v2.0/networks?name=twin')
  const [own] = (body as { networks: { id: string; subnets: string[] }[] }).networks
  assert.ok(own)
  const open = async (guest: Guest) => {
    const { body: list } = await demo.call('network', 'GET', `/v2.0/ports?network_id=${own.id}&device_id=${guest.id}`)
    for (const { id } of (list as { ports: { id: string }[] }).ports)
      await set(id, { port_security_enabled: false, security_groups: [] })
    await pause(SECOND_MS)
  }
  await demo.call('network', 'PUT', `/v2.0/subnets/${own.subnets[0]}`, { subnet: { enable_dhcp: false } })
  await open(b)
  assert.equal(await ask(), '0')
  await open(a)
  assert.notEqual(await ask(), '0', 'where nobody guards it does')
  await demo.call('network', 'PUT', `/v2.0/subnets/${own.subnets[0]}`, { subnet: { enable_dhcp: true } })
  await a.sh('sudo killall udhcpd')
})

test('two projects on the same addresses do not see each other', async () => {
  const said = new Map([
    [
      'ARP across',
      arp(
        '02:00:00:00:00:01',
        'request',
        { mac: '02:00:00:00:00:01', ip: TWIN.a },
        { mac: EVERYBODY, ip: TWIN.b },
        mark('ARP across'),
      ),
    ],
    ['anything across', ethernet(EVERYBODY, '02:00:00:00:00:01', 0x88b5, mark('anything across'))],
  ])
  // All ports of both networks open, so that nothing but the networks themselves is between them.
  for (const session of [demo, admin]) {
    const { body } = await session.call('network', 'GET', '/v2.0/networks?name=twin')
    for (const { id } of (body as { networks: { id: string }[] }).networks) {
      const { body: list } = await admin.call('network', 'GET', `/v2.0/ports?network_id=${id}`)
      for (const port of (list as { ports: { id: string }[] }).ports)
        await set(port.id, { port_security_enabled: false, security_groups: [] })
    }
  }
  await pause(SECOND_MS)
  assert.deepEqual(await heardBy(b, 'eth1', a, said), [...said.keys()], 'in the same network it arrives')
  assert.deepEqual(await heardBy(c, 'eth1', a, said), [])
  assert.match(await a.sh(`ping -c 2 -W 1 ${TWIN.b} || true`), / 0% packet loss/)
  const ownMac = await b.sh('cat /sys/class/net/eth1/address')
  assert.match(await a.sh(`ip neigh show ${TWIN.b}`), new RegExp(ownMac), 'it is the own neighbour that answers')
  assert.match(await c.sh(`ping -c 2 -W 1 ${TWIN.a} || true`), / 100% packet loss/)
})

test('a guest reaches nothing that this machine serves, and of the metadata address nothing but metadata', async (t) => {
  const server = listen((socket) => socket.on('error', () => undefined).end('reached\n')).listen(0, '0.0.0.0')
  await new Promise((done) => server.once('listening', done))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const addresses = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address)
  const gateway = await a.sh("ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p'")
  const targets = [...addresses, gateway, '169.254.169.254']
  const compute = Number(new URL(cloud.url('compute')).port)
  const said = await a.sh(
    targets
      .flatMap((address) =>
        [port, 22, compute].map((each) => `nc -w 1 ${address} ${each} </dev/null 2>/dev/null | head -c 60`),
      )
      .join('; '),
  )
  assert.equal(said, '')
  assert.match(
    await a.sh('timeout 10 wget -q -O - http://169.254.169.254/openstack/latest/meta_data.json'),
    new RegExp(a.id),
  )
})

test('nothing is left when the servers are gone', async () => {
  for (const guest of [a, b, c]) await removeServer(guest.session, guest.id)
  const left = await leftoversOf(cloud.stateDir, cloud.installationId())
  assert.deepEqual(
    { ...left, hostTables: left.hostTables.length },
    {
      domains: [],
      guests: 0,
      namespaces: [],
      links: [],
      filterLines: 0,
      hostTables: 1,
      dnsmasqs: 0,
      leases: 0,
      routes: [],
      files: [],
      ports: 0,
      allocations: 0,
      unfinishedTasks: [],
      owed: 0,
    },
  )
})
