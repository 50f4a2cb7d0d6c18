// How fast ports may be: measured through real links in both directions, with frames as large as offloads make them; kept over restarts and repairs.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ratesOf } from '../../../e2e/port-rates.ts'
import type { NicQuota } from '../src/domain/hardware/nic-quota.ts'
import { hostNetwork, type HostNetwork } from '../src/virt/network/host-network.ts'
import { canShape } from '../src/virt/network/shaping.ts'
import type { PortFacts } from '../src/virt/driver.ts'
import { type Bed, bed, nothing, port } from './host-network-bed.ts'
import { attempt, type VethGuest } from './veth-guest.ts'

const AVERAGE = 1000
const SINK = 5001
const slow = { averageKib: AVERAGE }

/** What the port is held to, as the host says: inbound and outbound, in bytes a second. */
const rates = ({ names }: Bed, { portId, networkId }: PortFacts) => ratesOf(names, networkId, portId)

describe('two guests', () => {
  let host: Bed
  let network: HostNetwork
  let a: VethGuest
  let b: VethGuest
  const portA = port(5)
  const portB = port(6)
  const plugB = (quota?: NicQuota) => network.plug('server-b', [quota ? { ...portB, quota } : portB])

  before(async () => {
    host = await bed()
    network = await hostNetwork(host.options)
    a = await host.guest(portA)
    b = await host.guest(portB)
    await network.plug('server-a', [portA])
    await plugB()
    for (const guest of [a, b]) {
      assert.ok(await guest.dhcp())
      await guest.drain(SINK)
      // What a sender that ended has left to send is sent all the same, beside the next one's.
      assert.ok((await guest.run('sysctl', '-qw', 'net.ipv4.tcp_wmem=4096 16384 131072')).ok)
    }
  })
  after(async () => {
    await network.unplug('server-a')
    await network.unplug('server-b')
    assert.deepEqual(await network.inventory(), nothing(host.names))
    await network.close()
    await host.remove()
  })

  /** KiB/s that arrive, on average over so long, `afterMs` after the connection began. */
  async function speed(from: VethGuest, to: VethGuest, seconds: number, afterMs = 300): Promise<number> {
    const stream = from.pour(to === a ? '10.213.0.5' : '10.213.0.6', SINK)
    try {
      await delay(afterMs)
      const [began, had] = [performance.now(), await to.received()]
      await delay(seconds * 1000)
      return (((await to.received()) - had) / 1024 / (performance.now() - began)) * 1000
    } finally {
      await stream.end()
    }
  }
  const isHeld = (measured: number, to = AVERAGE) =>
    assert.ok(measured > to * 0.5 && measured < to * 1.6, `${measured.toFixed(0)} KiB/s, where ${to} are allowed`)
  const areHeld = async (inbound: number, outbound: number): Promise<void> => {
    isHeld(await speed(a, b, 2), inbound)
    isHeld(await speed(b, a, 2), outbound)
  }
  const isFree = (measured: number) =>
    assert.ok(measured > AVERAGE * 5, `${measured.toFixed(0)} KiB/s, where nothing holds it`)

  test('this kernel can', async () => assert.equal(await canShape(), true))

  test('without a quota nothing is held', async () => {
    isFree(await speed(a, b, 1))
    isFree(await speed(b, a, 1))
    assert.deepEqual(await rates(host, portB), [undefined, undefined])
  })

  test('inbound is towards the guest, and that alone', async () => {
    await plugB({ inbound: slow })
    isHeld(await speed(a, b, 3))
    isFree(await speed(b, a, 1))
  })

  test('outbound is from the guest, and that alone', async () => {
    await plugB({ outbound: slow })
    isHeld(await speed(b, a, 3))
    isFree(await speed(a, b, 1))
  })

  // A smaller bucket takes over what waits for a larger one.
  test('both at once, and each follows a change under load', async () => {
    await plugB({ inbound: slow, outbound: { averageKib: 2 * AVERAGE } })
    await areHeld(AVERAGE, 2 * AVERAGE)
    await plugB({ inbound: { averageKib: 2 * AVERAGE }, outbound: slow })
    await areHeld(2 * AVERAGE, AVERAGE)
  })

  test('frames that are larger than the burst are no way around it, and are not lost', async () => {
    await plugB({ inbound: { ...slow, burstKib: 4 }, outbound: { ...slow, burstKib: 4 } })
    await areHeld(AVERAGE, AVERAGE)
  })

  test('after a rest a burst goes at the peak, then the average holds', async () => {
    await plugB({ outbound: { averageKib: AVERAGE, peakKib: 4 * AVERAGE, burstKib: 8 * AVERAGE } })
    // 8 of it at 4 a second, while 1 a second is refilled: 2.7 s.
    isHeld(await speed(b, a, 1.5), 4 * AVERAGE)
    isHeld(await speed(b, a, 3, 2_500))
  })

  test('a peak below the average holds instead of it', async () => {
    await plugB({ inbound: { averageKib: 20 * AVERAGE, peakKib: AVERAGE } })
    isHeld(await speed(a, b, 2))
  })

  test('it goes with the quota', async () => {
    await plugB({ inbound: slow, outbound: slow })
    await plugB()
    assert.deepEqual(await rates(host, portB), [undefined, undefined])
    isFree(await speed(a, b, 1))
    isFree(await speed(b, a, 1))
  })
})

test('it outlives our process, newer facts and what is removed by hand, and goes with the port', async (context) => {
  const host = await bed()
  context.after(() => host.remove())
  const quota = { inbound: { averageKib: 100 }, outbound: { averageKib: 200 } }
  const held = [102_400, 204_800]
  const facts = { ...port(5), quota }
  const first = await hostNetwork(host.options)
  await first.plug('server-a', [facts])
  assert.deepEqual(await rates(host, facts), held)
  await first.close()
  const network = await hostNetwork(host.options)
  context.after(() => network.close())
  assert.deepEqual(await rates(host, facts), held)
  // Of a look at many ports, which knows no flavor.
  await network.refresh([{ ...port(5), mtu: 1400 }])
  assert.deepEqual(await rates(host, facts), held)
  for (const spoil of [
    ['ip', 'link', 'delete', host.names.tap(facts.portId)],
    ['ip', 'netns', 'delete', host.names.namespace(facts.networkId)],
    ['tc', 'qdisc', 'delete', 'dev', host.names.wire(facts.portId), 'root'],
  ] as const) {
    const [program, ...words] = spoil
    assert.ok((await attempt(program, ...words)).ok)
    await network.plug('server-a', [facts])
    assert.deepEqual(await rates(host, facts), held, spoil.join(' '))
  }
  // Lifted while nobody knew of it any more.
  await network.close()
  const third = await hostNetwork(host.options)
  context.after(() => third.close())
  await third.plug('server-a', [port(5), { ...port(6), quota }])
  assert.deepEqual(await rates(host, facts), [undefined, undefined])
  assert.deepEqual(await rates(host, port(6)), held)
  await third.unplug('server-a')
  assert.deepEqual(await third.inventory(), nothing(host.names))
  assert.deepEqual(await rates(host, port(6)), [undefined, undefined])
})
