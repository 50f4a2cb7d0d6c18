/** The topology that upstream chooses, and what it refuses. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cpuTopology } from './cpu-topology.ts'

const chosen = (
  vcpus: number,
  extraSpecs: Readonly<Record<string, string>> = {},
  properties: Readonly<Record<string, string>> = {},
): string => {
  const { sockets, cores, threads } = cpuTopology({ vcpus, memoryMb: 1, extraSpecs, properties })
  return [sockets, cores, threads].join(':')
}

test('sockets are preferred where nobody says anything', () => {
  assert.equal(chosen(1), '1:1:1')
  assert.equal(chosen(6), '6:1:1')
})

test('what is preferred is matched as far as the number of vCPUs allows', () => {
  assert.equal(chosen(8, { 'hw:cpu_sockets': '2', 'hw:cpu_cores': '2', 'hw:cpu_threads': '2' }), '2:2:2')
  assert.equal(chosen(8, { 'hw:cpu_cores': '4' }), '2:4:1')
  assert.equal(chosen(8, { 'hw:cpu_threads': '2' }), '4:1:2')
  assert.equal(chosen(6, { 'hw:cpu_cores': '4' }), '6:1:1')
})

test('limits hold, and an image may lower them', () => {
  assert.equal(chosen(8, { 'hw:cpu_max_sockets': '2' }), '2:4:1')
  assert.equal(chosen(8, { 'hw:cpu_max_sockets': '2', 'hw:cpu_max_cores': '2' }), '2:2:2')
  assert.equal(chosen(8, { 'hw:cpu_max_sockets': '4' }, { hw_cpu_max_sockets: '1' }), '1:8:1')
  assert.equal(chosen(8, { 'hw:cpu_sockets': '4' }, { hw_cpu_max_sockets: '2' }), '2:4:1', 'void: the limit is lower')
  assert.equal(chosen(8, { 'hw:cpu_sockets': '4' }, { hw_cpu_cores: '8' }), '1:8:1', 'the image replaces all of it')
})

test('what cannot be is refused in words that name it', () => {
  assert.throws(
    () => chosen(8, { 'hw:cpu_max_sockets': '2' }, { hw_cpu_max_sockets: '4' }),
    /Image vCPU topology limits \(sockets=4, cores=0, threads=0\) exceeds the limits of the flavor \(sockets=2, cores=0, threads=0\)/,
  )
  assert.throws(
    () => chosen(8, { 'hw:cpu_max_cores': '2' }, { hw_cpu_cores: '4' }),
    /Image vCPU topology \(sockets=0, cores=4, threads=0\) exceeds the limits of the flavor or image \(sockets=65536, cores=2, threads=65536\)/,
  )
  assert.throws(
    () => chosen(7, { 'hw:cpu_max_sockets': '2', 'hw:cpu_max_cores': '2', 'hw:cpu_max_threads': '2' }),
    /Requested vCPU limits 2:2:2 are impossible to satisfy for vcpus count 7/,
  )
  assert.throws(() => chosen(1, { 'hw:cpu_cores': 'two' }), /Invalid flavor extra spec. Error: invalid literal for int/)
})
