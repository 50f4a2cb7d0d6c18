/** What a flavor and an image may not say together. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkHardware, serialPorts } from './check.ts'
import { demandsOf } from './demands.ts'
import { pageSizeFor, pageWish } from './memory-pages.ts'
import { nicQuota } from './nic-quota.ts'
import type { Wishes } from './wishes.ts'

type Words = Readonly<Record<string, string>>
const wishes = (extraSpecs: Words = {}, properties: Words = {}): Wishes => ({
  vcpus: 4,
  memoryMb: 1024,
  extraSpecs,
  properties,
})

const REFUSED: readonly (readonly [Words, Words, RegExp])[] = [
  [{}, { hw_disk_bus: 'floppy' }, /Invalid image metadata. Error: Field value floppy is invalid/],
  [{}, { hw_watchdog_action: 'bark' }, /Field value bark is invalid/],
  [{}, { hw_cpu_cores: 'many' }, /Invalid image metadata. Error: invalid literal for int\(\) with base 10: 'many'/],
  [{}, { img_config_drive: 'perhaps' }, /Image's config drive option 'perhaps' is invalid/],
  [
    { 'hw:pmu': 'true' },
    { hw_pmu: 'false' },
    /Conflicting values for pmu found in the flavor \(true\) and the image \(false\)/,
  ],
  [{ 'hw:mem_encryption': 'true' }, { hw_mem_encryption: 'no' }, /Conflicting values for mem_encryption/],
  [{ 'hw:sound_model': 'ac97' }, { hw_sound_model: 'ich9' }, /Conflicting values for sound_model/],
  [{ 'os:secure_boot': 'required' }, { os_secure_boot: 'disabled' }, /Conflicting values for secure_boot/],
  [
    { 'hw:serial_port_count': '1' },
    { hw_serial_port_count: '2' },
    /Forbidden to exceed flavor value of number of serial ports/,
  ],
  [{ 'hw:serial_port_count': 'x' }, {}, /Number of serial ports specified in flavor is invalid/],
  [{}, { hw_serial_port_count: '5' }, /Maximum number of serial port exceeds 4 for kvm/],
  [{}, { hw_video_ram: '64' }, /requested amount of video memory 64 is higher than the maximum allowed by flavor 0/],
  [{ 'hw:cpu_policy': 'shared' }, { hw_cpu_policy: 'dedicated' }, /'hw_cpu_policy' is not permitted to override/],
  [{ 'hw:cpu_thread_policy': 'require' }, {}, /Cannot set cpu thread pinning policy in a non dedicated/],
  [{ 'hw:cpu_policy': 'mixed' }, {}, /Dedicated CPU set can be specified from either/],
  [{ 'hw:cpu_dedicated_mask': '0' }, {}, /Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy/],
  [{ 'hw:cpu_policy': 'dedicated', 'resources:PCPU': '4' }, {}, /It is not possible to use the 'resources:VCPU'/],
  [{}, { hw_mem_page_size: 'large' }, /Page size large forbidden against '<empty>'/],
  [{ 'hw:mem_page_size': 'small' }, { hw_mem_page_size: 'large' }, /Page size large forbidden against 'small'/],
  [{ 'hw:mem_page_size': 'huge' }, {}, /Invalid memory page size 'huge'/],
  [
    { 'hw:locked_memory': 'true' },
    {},
    /locked_memory value in image or flavor is forbidden when mem_page_size is not set/,
  ],
  [
    { 'hw:locked_memory': 'true' },
    { hw_locked_memory: 'false' },
    /locked_memory value in image \(False\) and flavor \(True\) conflict/,
  ],
  [{ 'quota:vif_inbound_average': '-1' }, {}, /Invalid value '-1' of quota:vif_inbound_average/],
  [{ 'quota:vif_outbound_average': '1.5' }, {}, /Invalid value '1.5' of quota:vif_outbound_average/],
  [{ 'quota:vif_outbound_average': '9'.repeat(20) }, {}, /must be a whole number of kibibytes/],
  [
    { 'quota:vif_inbound_average': '1', 'quota:vif_inbound_burst': 'much' },
    {},
    /Invalid value 'much' of quota:vif_inbound_burst/,
  ],
  [
    { 'quota:vif_inbound_average': '1', 'quota:vif_outbound_peak': '1' },
    {},
    /quota:vif_outbound_average is missing: without it, quota:vif_outbound_peak and/,
  ],
  [{}, { hw_firmware_stateless: 'true' }, /Stateless firmware is supported only when UEFI firmware is used/],
]

for (const [extraSpecs, properties, why] of REFUSED)
  test(`refused: ${JSON.stringify({ ...extraSpecs, ...properties })}`, () => {
    assert.throws(() => checkHardware(wishes(extraSpecs, properties)), { name: 'BadRequest', message: why })
  })

test('what agrees, or is nobody else’s affair, passes', () => {
  checkHardware(wishes())
  checkHardware(wishes({ 'hw:pmu': 'true' }, { hw_pmu: 'yes' }))
  checkHardware(wishes({ 'hw:cpu_policy': 'dedicated', 'hw:cpu_thread_policy': 'prefer' }, { hw_cpu_policy: 'shared' }))
  checkHardware(wishes({ 'hw_video:ram_max_mb': '64' }, { hw_video_ram: '64' }))
  checkHardware(wishes({ 'os:secure_boot': 'required' }, { os_secure_boot: 'optional' }))
  checkHardware(wishes({ 'my:own': 'thing' }, { anything: 'else' }))
  assert.equal(serialPorts(wishes({ 'hw:serial_port_count': '4' }, { hw_serial_port_count: '2' })), 2)
})

test('pages of memory are looked for among those that are free', () => {
  const pages = [
    { sizeKib: 2048, free: 512 },
    { sizeKib: 1_048_576, free: 0 },
  ]
  assert.equal(pageSizeFor('large', 1024, pages), 2048)
  assert.equal(pageSizeFor('large', 1026, pages), undefined)
  assert.equal(pageSizeFor('any', 1026, pages), 'small')
  assert.equal(pageSizeFor(1_048_576, 1024, pages), undefined)
  assert.equal(pageSizeFor('small', 4096, []), 'small')
  assert.equal(pageWish(wishes({ 'hw:mem_page_size': '2MB' })), 2048)
  assert.equal(pageWish(wishes({ 'hw:mem_page_size': '1GiB' })), 1_048_576)
  assert.equal(pageWish(wishes({ 'hw:mem_page_size': 'large' }, { hw_mem_page_size: '2048' })), 2048)
})

test('how fast network cards may be: of each side by itself, and 0 is no limit', () => {
  assert.equal(nicQuota({ 'quota:disk_read_iops_sec': '10' }), undefined)
  assert.equal(nicQuota({ 'quota:vif_inbound_average': '0', 'quota:vif_inbound_peak': '9' }), undefined)
  const side = (name: string, average: string, peak: string, burst: string) => ({
    [`quota:vif_${name}_average`]: average,
    [`quota:vif_${name}_peak`]: peak,
    [`quota:vif_${name}_burst`]: burst,
  })
  assert.deepEqual(nicQuota(side('inbound', ' 100', '+200', '300')), {
    inbound: { averageKib: 100, peakKib: 200, burstKib: 300 },
  })
  assert.deepEqual(nicQuota({ ...side('inbound', '0', '0', '0'), ...side('outbound', '100', '0', '0') }), {
    outbound: { averageKib: 100 },
  })
})

test('what a host must offer', () => {
  const all = (extraSpecs: Words, properties: Words = {}) => demandsOf(wishes(extraSpecs, properties)).join(' ')
  assert.equal(all({}), '')
  assert.equal(all({ 'hw:cpu_policy': 'dedicated' }), 'dedicatedCpus')
  assert.equal(all({ 'resources:PCPU': '4' }), 'dedicatedCpus')
  assert.equal(all({ 'hw:cpu_policy': 'shared' }), '')
  assert.equal(all({}, { hw_firmware_type: 'uefi', os_secure_boot: 'required' }), 'uefi secureBoot')
  assert.equal(all({ 'hw:tpm_version': '2.0' }), 'tpm')
  assert.equal(all({}, { hw_tpm_model: 'tpm-crb' }), 'tpm')
  assert.equal(all({ 'quota:cpu_shares': '10' }), 'cpuQuotas')
  assert.equal(all({ 'quota:disk_read_iops_sec': '10' }), '')
  assert.equal(all({ 'quota:vif_inbound_average': '10' }), 'nicQuotas')
  assert.equal(all({ 'hw:ephemeral_encryption': 'true' }), 'diskEncryption')
  assert.equal(all({ 'hw:ephemeral_encryption': 'false' }), '')
})
