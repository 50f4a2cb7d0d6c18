// Network cards of a real guest come and go: it sees them, gets their addresses and is reached there; groups of its ports hold within a second; kills leave nothing.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { namesOf } from '@kilonova/kilonova/virt/network/names.ts'
import type { Session } from '@kilonova/cloud/session.ts'
import { cloudProcess, type CloudProcess } from '../cloud-process.ts'
import { inGuest, newKey } from '../guest-shell.ts'
import { assertOnly, leftoversOf, type Leftovers } from '../leftovers.ts'
import { ratesOf } from '../port-rates.ts'
import { act, active, consoleShows, createServer, idOf, removeServer, settled, show } from '../servers.ts'

interface Interface {
  readonly port_id: string
  readonly mac_addr: string
  readonly fixed_ips: readonly { readonly ip_address: string }[]
}

/** The promise of docs/networking.md. */
const SECOND_MS = 1_000
const DETACH_MS = 60_000
const OPEN_PORT = 7000

let cloud: CloudProcess
let session: Session
let folder = ''
let key = ''
let id = ''
let network = ''
let empty: Leftovers

const left = (): Promise<Leftovers> => leftoversOf(cloud.stateDir, cloud.installationId())

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'interfaces-'))
  key = join(folder, 'key')
  await newKey(key)
  cloud = await cloudProcess()
  await cloud.start()
  session = await cloud.session('demo')
  await session.call('compute', 'POST', '/os-keypairs', {
    keypair: { name: 'mine', type: 'ssh', public_key: readFileSync(`${key}.pub`, 'utf8').trim() },
  })
  empty = await left()
  network = await idOf(session, 'network', '/v2.0/networks', 'private')
  id = await createServer(session, { name: 'web', keyName: 'mine' })
  await active(session, id)
})
after(async () => {
  await cloud?.remove()
  rmSync(folder, { recursive: true, force: true })
})

async function interfaces(): Promise<readonly Interface[]> {
  const { body } = await session.call('compute', 'GET', `/servers/${id}/os-interface`)
  return (body as { interfaceAttachments: Interface[] }).interfaceAttachments
}
const addressOf = (one: Interface | undefined): string => one?.fixed_ips[0]?.ip_address ?? ''
async function attach(asked: object): Promise<Interface> {
  const { body } = await session.call('compute', 'POST', `/servers/${id}/os-interface`, { interfaceAttachment: asked })
  return (body as { interfaceAttachment: Interface }).interfaceAttachment
}
async function until(holds: () => Promise<boolean>, milliseconds: number, what: string): Promise<number> {
  const began = performance.now()
  while (!(await holds())) {
    assert.ok(performance.now() - began < milliseconds, `${what}: not within ${milliseconds} ms`)
    await pause(20)
  }
  return performance.now() - began
}
const atRest = async (): Promise<boolean> => (await show(session, id))?.['OS-EXT-STS:task_state'] === null
async function detach({ port_id: port }: Interface): Promise<void> {
  await session.call('compute', 'DELETE', `/servers/${id}/os-interface/${port}`)
  const gone = async () => (await atRest()) && !(await interfaces()).some((each) => each.port_id === port)
  await until(gone, DETACH_MS, 'the interface is detached')
}
/** The MACs of the guest's cards, as the guest sees them. */
async function cards(address: string): Promise<readonly string[]> {
  return (await inGuest(address, key, 'cat /sys/class/net/eth*/address')).split('\n').toSorted()
}
async function makeNetwork(subnet: object): Promise<string> {
  const made = await session.call('network', 'POST', '/v2.0/networks', { network: { name: 'aside' } })
  const { id: networkId } = (made.body as { network: { id: string } }).network
  await session.call('network', 'POST', '/v2.0/subnets', {
    subnet: { network_id: networkId, ip_version: 4, ...subnet },
  })
  return networkId
}
const macsOf = (all: readonly Interface[]): readonly string[] => all.map(({ mac_addr: mac }) => mac).toSorted()

test('a running guest sees a card come, gets its address, is reached there, and lets the other go', async () => {
  const [first] = await interfaces()
  assert.ok(first)
  const address = addressOf(first)
  assert.deepEqual(await cards(address), [first.mac_addr])
  const second = await attach({ net_id: network })
  assert.equal((await interfaces()).length, 2)
  await until(async () => (await cards(address)).length === 2, 10_000, 'the guest sees the card')
  assert.deepEqual(await cards(address), macsOf([first, second]))
  // Two cards in one network: answers may leave by the other from then on, which the packet filter does not let pass.
  await inGuest(address, key, `sudo sh -c '(sleep 1; sh /etc/boot/network eth1) >/dev/null 2>&1 &'`)
  await consoleShows(session, id, (text) => text.includes(`eth1 has ${addressOf(second)}/`), 30_000)
  assert.deepEqual(
    Object.values((await show(session, id))?.addresses ?? {}).flatMap((all) => all.map(({ addr }) => addr)),
    [address, addressOf(second)],
  )

  await detach(first)
  assert.deepEqual(await cards(addressOf(second)), [second.mac_addr])
  await detach(second)
  assert.deepEqual([(await left()).links, (await left()).ports], [empty.links, empty.ports])
  assert.equal((await show(session, id))?.status, 'ACTIVE')

  const third = await attach({})
  await act(session, id, { reboot: { type: 'HARD' } })
  await until(async () => (await atRest()) && (await show(session, id))?.status === 'ACTIVE', 30_000, 'rebooted')
  assert.deepEqual(await cards(addressOf(third)), [third.mac_addr], 'a hard reboot makes the guest with what it has')
})

function opens(host: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host, port: OPEN_PORT })
    const give = (value: boolean): void => {
      clearTimeout(late)
      socket.destroy()
      done(value)
    }
    const late = setTimeout(give, 100, false)
    socket.on('connect', () => give(true))
    socket.on('error', () => give(false))
  })
}

test("a guest is as fast as its flavor lets it be, on every card, also after its host's process died and after a hard reboot", async () => {
  const admin = await cloud.session('admin')
  const flavor = { id: 'slow', name: 'slow', vcpus: 1, ram: 192, disk: 1 }
  await admin.call('compute', 'POST', '/flavors', { flavor })
  await admin.call('compute', 'POST', '/flavors/slow/os-extra_specs', {
    extra_specs: { 'quota:vif_inbound_average': '100', 'quota:vif_outbound_average': '200' },
  })
  const free = addressOf((await interfaces())[0])
  const before = await left()
  const slow = await createServer(session, { name: 'slow', flavorId: 'slow', keyName: 'mine' })
  await active(session, slow)
  const { body } = await session.call('compute', 'GET', `/servers/${slow}/os-interface`)
  const [card] = (body as { interfaceAttachments: Interface[] }).interfaceAttachments

  const data = Buffer.alloc(400 * 1024)
  const sends = `head -c ${data.length} /dev/zero`
  // What the login takes is not the network's affair.
  const seconds = async (address: string, command: string, input?: Buffer): Promise<number> => {
    const timed = async (words: string, read?: Buffer) => {
      const began = performance.now()
      await inGuest(address, key, words, undefined, read)
      return (performance.now() - began) / 1000
    }
    return (await timed(command, input)) - (await timed('true'))
  }
  const areHeld = async (): Promise<void> => {
    await inGuest(addressOf(card), key, 'true')
    const outbound = await seconds(addressOf(card), sends)
    assert.ok(outbound > 1.2 && outbound < 4, `${outbound} s for what 200 KiB/s brings in 2 s`)
    const inbound = await seconds(addressOf(card), 'cat >/dev/null', data)
    assert.ok(inbound > 2.4 && inbound < 8, `${inbound} s for what 100 KiB/s bring in 4 s`)
  }
  const unheld = await seconds(free, sends)
  assert.ok(unheld < 1, `${unheld} s where nothing holds it`)
  await areHeld()

  // In a network of its own: of two cards in one network a guest may answer by the wrong one, which the packet filter does not let pass.
  const aside = await makeNetwork({ cidr: '192.168.77.0/24', gateway_ip: null })
  const other = await session.call('compute', 'POST', `/servers/${slow}/os-interface`, {
    interfaceAttachment: { net_id: aside },
  })
  const { interfaceAttachment: second } = other.body as { interfaceAttachment: Interface }
  const names = namesOf(cloud.installationId())
  const ratesHere = () =>
    Promise.all([ratesOf(names, network, card?.port_id ?? ''), ratesOf(names, aside, second.port_id)])
  const rates = async () => (await ratesHere()).flat()
  const wanted = [102_400, 204_800, 102_400, 204_800]
  assert.deepEqual(await rates(), wanted)
  await cloud.stop('SIGKILL')
  await cloud.start()
  session = await cloud.session('demo')
  assert.deepEqual(await rates(), wanted)
  await act(session, slow, { reboot: { type: 'HARD' } })
  await active(session, slow)
  assert.deepEqual(await rates(), wanted)
  await areHeld()
  await removeServer(session, slow)
  assert.deepEqual(
    await rates(),
    Array.from(wanted, () => undefined),
  )
  await session.call('network', 'DELETE', `/v2.0/networks/${aside}`)
  await assertOnly(before, left)
  await (await cloud.session('admin')).call('compute', 'DELETE', '/flavors/slow')
})

test('a group that is given to a server, or taken from it, holds for its traffic within a second', async () => {
  const { body } = await session.call('network', 'POST', '/v2.0/security-groups', { security_group: { name: 'open' } })
  const { id: group } = (body as { security_group: { id: string } }).security_group
  await session.call('network', 'POST', '/v2.0/security-group-rules', {
    security_group_rule: {
      security_group_id: group,
      direction: 'ingress',
      protocol: 'tcp',
      port_range_min: OPEN_PORT,
      port_range_max: OPEN_PORT,
    },
  })
  const address = addressOf((await interfaces())[0])
  await inGuest(address, key, `(nc -ll -p ${OPEN_PORT} -e cat >/dev/null 2>&1 &)`)
  assert.equal(await opens(address), false)
  for (const [action, wanted] of [
    ['addSecurityGroup', true],
    ['removeSecurityGroup', false],
  ] as const) {
    await act(session, id, { [action]: { name: 'open' } })
    const took = await until(async () => (await opens(address)) === wanted, 10 * SECOND_MS, action)
    assert.ok(took < SECOND_MS, `${action} took ${took} ms`)
  }
})

test('a port that is deleted in the network service leaves the guest', async () => {
  const [kept] = await interfaces()
  assert.ok(kept)
  const lost = await attach({ net_id: network })
  await until(async () => (await cards(addressOf(kept))).length === 2, 10_000, 'the guest sees the card')
  await session.call('network', 'DELETE', `/v2.0/ports/${lost.port_id}`)
  await until(async () => (await cards(addressOf(kept))).length === 1, DETACH_MS, 'the card leaves the guest')
  await until(atRest, DETACH_MS, 'the task ends')
  assert.deepEqual(await cards(addressOf(kept)), [kept.mac_addr])
})

test('a process that is killed amid an attach goes on with it, or undoes it, and leaves nothing', async () => {
  const [kept] = await interfaces()
  assert.ok(kept)
  const before = await left()
  for (const [env, count] of [
    [{ KILL_AT: 'attachInterface/port/after' }, 2],
    [{ KILL_AT: 'attachInterface/card/after' }, 2],
    [{ KILL_AT: 'attachInterface/card/undo', FAIL_AT: 'attachInterface/card' }, 1],
  ] as const) {
    await cloud.stop('SIGKILL')
    await cloud.start(env)
    await attach({ net_id: network }).catch(() => undefined)
    assert.equal((await cloud.ended()).signal, 'SIGKILL', env.KILL_AT)
    await cloud.start()
    await settled(session, id, ['ACTIVE'], 30_000)
    await until(atRest, DETACH_MS, env.KILL_AT)
    const now = await interfaces()
    assert.equal(now.length, count, env.KILL_AT)
    await until(
      async () => (await cards(addressOf(kept))).length === count,
      10_000,
      `${env.KILL_AT}: the guest's cards`,
    )
    assert.deepEqual(await cards(addressOf(kept)), macsOf(now), env.KILL_AT)
    for (const each of now) if (each.port_id !== kept.port_id) await detach(each)
    await assertOnly(before, left)
  }
})

test('nothing is left', async () => {
  await removeServer(session, id)
  await assertOnly(empty, left)
})
