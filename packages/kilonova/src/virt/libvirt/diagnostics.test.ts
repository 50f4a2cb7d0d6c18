/** libvirt's statistics as diagnostics: what QEMU says of a running guest, and how little there is of one that is off. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { param } from '@kilonova/libvirt/typed-params.ts'
import { readStats } from './diagnostics.ts'

const MAC = 'fa:16:3e:00:00:01'
const card = [
  ['rx.bytes', 900],
  ['rx.pkts', 9],
  ['rx.errs', 1],
  ['rx.drop', 2],
  ['tx.bytes', 800],
  ['tx.pkts', 8],
  ['tx.errs', 3],
  ['tx.drop', 4],
] as const

test('of a running guest', () => {
  const seen = readStats(
    [
      param.int('state.state', 1),
      param.ullong('balloon.current', 196_608),
      param.ullong('balloon.maximum', 262_144),
      param.ullong('balloon.last-update', 77),
      param.ullong('balloon.rss', 5),
      param.uint('vcpu.current', 2),
      param.uint('vcpu.maximum', 2),
      param.ullong('vcpu.0.time', 11n ** 10n),
      param.ullong('vcpu.1.time', 12),
      param.uint('net.count', 1),
      param.string('net.0.name', 'ktab12'),
      ...card.map(([name, value]) => param.ullong(`net.0.${name}`, value)),
      param.uint('block.count', 1),
      param.string('block.0.name', 'vda'),
      param.ullong('block.0.rd.reqs', 1),
      param.ullong('block.0.rd.bytes', 512),
      param.ullong('block.0.wr.reqs', 2),
      param.ullong('block.0.wr.bytes', 1024),
    ],
    new Map([['ktab12', MAC]]),
  )
  assert.deepEqual(seen, {
    powerState: 'running',
    memoryMaximumKib: 262_144,
    memoryUsedKib: 196_608,
    memoryDetails: { actual: 196_608, last_update: 77, rss: 5 },
    cpus: [
      { id: 0, timeNs: 11 ** 10 },
      { id: 1, timeNs: 12 },
    ],
    disks: [{ name: 'vda', readBytes: 512, readRequests: 1, writeBytes: 1024, writeRequests: 2 }],
    nics: [
      {
        name: 'ktab12',
        mac: MAC,
        rxBytes: 900,
        rxPackets: 9,
        rxErrors: 1,
        rxDropped: 2,
        txBytes: 800,
        txPackets: 8,
        txErrors: 3,
        txDropped: 4,
      },
    ],
  })
})

test('of one that is off there are names, and no figures', () => {
  const seen = readStats(
    [
      param.int('state.state', 5),
      param.ullong('balloon.maximum', 262_144),
      param.uint('vcpu.current', 1),
      param.uint('block.count', 1),
      param.string('block.0.name', 'vda'),
    ],
    new Map(),
  )
  assert.deepEqual([seen.powerState, seen.cpus, seen.disks, seen.nics], ['shutdown', [], [], []])
})
