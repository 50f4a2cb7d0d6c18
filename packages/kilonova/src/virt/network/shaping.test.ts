import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NicQuota } from '../../domain/hardware/nic-quota.ts'
import { innerLink, namesOf } from './names.ts'
import { portOf } from './port-fixture.ts'
import { NOTHING_SHAPED, shapeCommands } from './shaping.ts'

const names = namesOf('abcd')
const { portId } = portOf()
const [inner, wire] = [innerLink(portId), names.wire(portId)]
const commands = (quota?: NicQuota, shaped = NOTHING_SHAPED, mtu = 1450) =>
  shapeCommands(names, [{ number: 1, facts: portOf(quota ? { quota } : {}) }], mtu, shaped)
/** What it says of the wire's inner end, without the number that stands for it. */
const bucket = (inbound: NicQuota['inbound'], mtu?: number) => {
  const { root, inside } = commands({ inbound }, NOTHING_SHAPED, mtu)
  const [command = '', ...more] = inside
  assert.deepEqual([root, more], [[], []])
  const [, found] = new RegExp(`^qdisc replace dev ${inner} root handle [0-9a-f]{1,4}: tbf (.*)$`).exec(command) ?? []
  return found
}

test('outbound is held where the wire begins, inbound where the bridge lets it out', () => {
  assert.deepEqual(commands({ inbound: { averageKib: 1000 }, outbound: { averageKib: 65_536 } }), {
    root: [`qdisc replace dev ${wire} root handle 79b6: tbf rate 67108864bps burst 671089b limit 6710887b`],
    inside: [`qdisc replace dev ${inner} root handle 552: tbf rate 1024000bps burst 10240b limit 131072b`],
  })
})

test('without a quota nothing is said, unless something is in the way', () => {
  assert.deepEqual(commands(), { root: [], inside: [] })
  const both = { root: new Set([wire, 'kv-other']), inside: new Set([inner, 'p-other']) }
  const gone = { root: [`qdisc del dev ${wire} root`], inside: [`qdisc del dev ${inner} root`] }
  assert.deepEqual(commands(undefined, both), gone)
  assert.deepEqual(commands({ outbound: { averageKib: 1 } }, both).inside, gone.inside)
  assert.deepEqual(commands({ inbound: { averageKib: 1 } }, both).root, gone.root)
})

test('a burst is as large as was said, and never smaller than a frame', () => {
  assert.equal(bucket({ averageKib: 1000, burstKib: 64 }), 'rate 1024000bps burst 65536b limit 131072b')
  assert.equal(bucket({ averageKib: 1000, burstKib: 1 }), 'rate 1024000bps burst 1468b limit 131072b')
  assert.equal(bucket({ averageKib: 1 }), 'rate 1024bps burst 4404b limit 131072b')
  assert.equal(bucket({ averageKib: 1 }, 9000), 'rate 1024bps burst 27054b limit 131072b')
})

test('a peak above the average is the rate of bursts, one below it holds instead', () => {
  assert.equal(
    bucket({ averageKib: 1000, peakKib: 4000, burstKib: 8000 }),
    'rate 1024000bps burst 8192000b limit 131072b peakrate 4096000bps mtu 40960b',
  )
  for (const averageKib of [1000, 2000])
    assert.equal(bucket({ averageKib, peakKib: 1000 }), 'rate 1024000bps burst 10240b limit 131072b')
})

test('no number is larger than the kernel takes', () => {
  const most = 999_999_999_999_999
  assert.equal(
    bucket({ averageKib: most, peakKib: most, burstKib: most }),
    'rate 1125899906842624bps burst 2147483648b limit 2147483648b',
  )
})

test('other sizes have another number, the same have the same', () => {
  const number = (averageKib: number) => /handle (\w+):/.exec(commands({ outbound: { averageKib } }).root[0] ?? '')?.[1]
  assert.equal(number(1000), number(1000))
  assert.notEqual(number(1000), number(1001))
})
