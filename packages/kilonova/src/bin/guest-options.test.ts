/** `[libvirt]` options that shape guests, and the ones that contradict each other. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from '../config/index.ts'
import { DEFAULT_GUEST_OPTIONS } from '../virt/libvirt/domain/facts.ts'
import { guestOptions } from './guest-options.ts'

const read = (lines: string) => guestOptions(readConfig(`[libvirt]\n${lines}`))

test('without a word guests are as the driver has them', () => {
  assert.deepEqual({ ...read('') }, { ...DEFAULT_GUEST_OPTIONS, cpuMode: undefined, diskCacheMode: undefined })
})

test('each option is carried on', () => {
  const options = read(
    `cpu_mode = custom\ncpu_models = Haswell,Nehalem\ncpu_model_extra_flags = +pcid,-vmx\nhw_machine_type = aarch64=virt,x86_64=pc-q35-7.2
disk_cachemodes = network=none,file=directsync\nhw_disk_discard = ignore\nnum_pcie_ports = 8\nrng_dev_path = /dev/hwrng\nsysinfo_serial = none`,
  )
  assert.deepEqual(options, {
    cpuMode: 'custom',
    cpuModels: ['Haswell', 'Nehalem'],
    cpuModelExtraFlags: ['+pcid', '-vmx'],
    machineType: 'pc-q35-7.2',
    diskCacheMode: 'directsync',
    discard: 'ignore',
    pciePorts: 8,
    rngDevice: '/dev/hwrng',
    sysinfoSerial: 'none',
  })
})

test('what contradicts itself is refused at start', () => {
  assert.throws(() => read('cpu_mode = custom'), /cpu_models must name a model/)
  assert.throws(() => read('cpu_models = Haswell'), /cpu_mode must be custom/)
  assert.throws(() => read('disk_cachemodes = file=sometimes'), /disk_cachemodes/)
  assert.throws(() => read('hw_machine_type = x86_64=../x'), /hw_machine_type/)
  assert.throws(() => read('num_pcie_ports = 29'), /num_pcie_ports/)
})
