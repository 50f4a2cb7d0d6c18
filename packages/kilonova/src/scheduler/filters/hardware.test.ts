/** A host that cannot give what a flavor or an image asks for is named so, also where it was named by an administrator. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HostState, RequestSpec } from '../host-state.ts'
import { explain, rejectionOf, select } from '../select.ts'

const host: HostState = {
  host: 'h1',
  hypervisorHostname: 'h1',
  up: true,
  disabled: false,
  disabledReason: null,
  zone: 'nova',
  capacity: { vcpus: 64, memoryMb: 65_536, diskGb: 100 },
  used: { vcpus: 0, memoryMb: 0, diskGb: 0 },
  largest: { vcpus: 64, memoryMb: 65_536, diskGb: 100 },
  supportedInstances: [],
  hardware: { features: ['uefi'], hugePages: [{ sizeKib: 2048, free: 256 }] },
  address: '127.0.0.1',
  servers: 0,
}
const OPTIONS = { enabledFilters: ['ComputeFilter'], multipliers: {}, defaultArchitecture: null }
const spec = (extraSpecs: RequestSpec['extraSpecs'], imageProperties = {}, forced = false): RequestSpec => ({
  resources: { vcpus: 1, memoryMb: 512, diskGb: 1 },
  zone: null,
  onlyHost: null,
  forced,
  imageProperties,
  extraSpecs,
})
const verdict = (...asked: Parameters<typeof spec>) => rejectionOf(host, spec(...asked), OPTIONS)?.reason

test('what the host has, passes', () => {
  assert.equal(verdict({}), undefined)
  assert.equal(verdict({}, { hw_firmware_type: 'uefi' }), undefined)
  assert.equal(verdict({ 'hw:mem_page_size': 'large' }), undefined)
  assert.equal(verdict({ 'hw:mem_page_size': 'small' }), undefined)
})

test('what it has not, is said', () => {
  assert.equal(verdict({ 'hw:cpu_policy': 'dedicated' }), 'does not offer dedicated CPUs')
  assert.equal(verdict({ 'hw:cpu_policy': 'dedicated' }, {}, true), 'does not offer dedicated CPUs')
  assert.equal(verdict({}, { hw_tpm_version: '2.0' }), 'does not offer emulated TPMs')
  assert.equal(
    verdict({ 'hw:mem_page_size': '1048576' }),
    'does not offer enough free memory pages of size 1048576 KiB',
  )
})

test('the reason is what the user reads', () => {
  const two = [host, { ...host, host: 'h2' }]
  const { rejections } = select(two, spec({ 'hw:cpu_policy': 'dedicated' }), OPTIONS, 'r')
  assert.equal(explain(2, rejections), '2 hosts: 2 do not offer dedicated CPUs.')
  assert.equal(explain(1, rejections.slice(1)), '1 host: 1 does not offer dedicated CPUs.')
})
