/** The guest's XML against golden files; `UPDATE_GOLDEN=1` writes them anew. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { guestOf } from '../contract-values.ts'
import { DEFAULT_GUEST_OPTIONS, type DomainFacts } from './domain/facts.ts'
import { factsOf } from './domain/facts-fixture.ts'
import { domainXml } from './domain-xml.ts'

const serverId = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee'
const folder = `/srv/instances/${serverId}`
const plain = factsOf(guestOf(serverId), {
  user: { uid: 1_879_048_192, gid: 1_879_048_192 },
  rootDisk: { file: `${folder}/disk`, base: { file: '/srv/instances/_base/sha512-00.qcow2', format: 'qcow2' } },
  consoleLog: `${folder}/console.log`,
  nvram: `${folder}/nvram.fd`,
})

/** What a flavor's extra specs and an image's properties ask for. */
const wish = (
  extraSpecs: Readonly<Record<string, string>>,
  imageProperties: Readonly<Record<string, string>> = {},
  vcpus = 1,
): DomainFacts => ({
  ...plain,
  spec: guestOf(serverId, { imageProperties, flavor: { ...plain.spec.flavor, vcpus, extraSpecs } }),
})
const localDisks = [`${folder}/disk.eph0`, `${folder}/disk.swap`]

const cases: Readonly<Record<string, DomainFacts>> = {
  'plain-tcg': plain,
  'kvm-config-drive-two-nics': {
    ...plain,
    accelerator: 'kvm',
    user: { uid: 1_879_048_193, gid: 107 },
    spec: guestOf(serverId, {
      configDrive: true,
      flavor: { id: '4', name: 'm1.large', vcpus: 4, memoryMb: 8192, rootGb: 80, extraSpecs: {} },
    }),
    configDrive: { file: `${folder}/disk.config`, format: 'iso9660' },
    nics: [
      { mac: 'fa:16:3e:00:00:01', mtu: 1450, tap: 'kab12t0001' },
      { mac: 'fa:16:3e:00:00:02', mtu: 1500, tap: 'kab12t0002' },
    ],
  },
  'image-asks-for-old-hardware': {
    ...plain,
    spec: guestOf(serverId, {
      configDrive: true,
      imageProperties: {
        hw_disk_bus: 'ide',
        hw_cdrom_bus: 'ide',
        hw_vif_model: 'e1000',
        hw_video_model: 'cirrus',
        hw_qemu_guest_agent: 'yes',
      },
    }),
    configDrive: { file: `${folder}/disk.config`, format: 'iso9660' },
    nics: [{ mac: 'fa:16:3e:00:00:01', mtu: 1500, tap: 'kab12t0001' }],
  },
  'vfat-config-drive': {
    ...plain,
    spec: guestOf(serverId, { configDrive: true }),
    configDrive: { file: `${folder}/disk.config`, format: 'vfat' },
  },
  rescue: {
    ...plain,
    spec: guestOf(serverId, { configDrive: true, rescue: { imageProperties: {} } }),
    rescueDisk: { file: `${folder}/disk.rescue`, base: null },
    configDrive: { file: `${folder}/disk.config`, format: 'iso9660' },
  },
  'stable-rescue': {
    ...plain,
    spec: guestOf(serverId, { rescue: { imageProperties: { hw_rescue_device: 'cdrom', hw_rescue_bus: 'scsi' } } }),
    rescueDisk: { file: `${folder}/disk.rescue`, base: null },
  },
  'no-disk': { ...plain, spec: guestOf(serverId, { imageId: null }), rootDisk: null },
  'no-base': { ...plain, rootDisk: { file: `${folder}/disk`, base: null } },
  'no-direct-io': { ...plain, diskCache: 'writeback' },
  topology: wish({ 'hw:cpu_sockets': '1', 'hw:cpu_threads': '2' }, {}, 4),
  'large-locked-pages': {
    ...wish({ 'hw:mem_page_size': 'large', 'hw:locked_memory': 'true' }),
    hugePageKib: 2048,
  },
  uefi: wish({}, { hw_firmware_type: 'uefi', hw_boot_menu: 'yes' }),
  'secure-boot': wish({ 'os:secure_boot': 'required' }, { hw_firmware_type: 'uefi' }),
  'old-machine': wish({}, { hw_machine_type: 'pc-i440fx-7.2' }),
  'scsi-disks': { ...wish({}, { hw_disk_bus: 'scsi', hw_scsi_model: 'lsilogic' }), localDisks },
  'local-disks': { ...plain, localDisks },
  'local-disks-config-drive': {
    ...wish({}, { hw_cdrom_bus: 'sata', hw_disk_bus: 'sata' }),
    localDisks,
    configDrive: { file: `${folder}/disk.config`, format: 'iso9660' },
  },
  'local-disks-in-stable-rescue': {
    ...plain,
    spec: guestOf(serverId, { rescue: { imageProperties: { hw_rescue_device: 'disk' } } }),
    rescueDisk: { file: `${folder}/disk.rescue`, base: null },
    localDisks,
  },
  'local-disks-in-rescue': {
    ...plain,
    spec: guestOf(serverId, { rescue: { imageProperties: {} } }),
    rescueDisk: { file: `${folder}/disk.rescue`, base: null },
    localDisks,
  },
  'disk-quotas': wish({
    'quota:disk_total_bytes_sec': '1048576',
    'quota:disk_read_iops_sec': '100',
    'quota:disk_write_iops_sec': '50',
  }),
  'packed-virtqueues': {
    ...wish({ 'hw:virtio_packed_ring': 'true' }),
    nics: [{ mac: 'fa:16:3e:00:00:01', mtu: 1500, tap: 'kab12t0001' }],
  },
  'watchdog-of-the-image': wish({ 'hw:watchdog_action': 'reset' }, { hw_watchdog_action: 'poweroff' }),
  'watchdog-disabled': wish({ 'hw:watchdog_action': 'disabled' }),
  'serial-ports': wish({ 'hw:serial_port_count': '3' }, { hw_serial_port_count: '2' }),
  'no-random-numbers': wish({ 'hw_rng:allowed': 'false' }),
  'random-numbers-in-measure': wish({ 'hw_rng:rate_bytes': '2048', 'hw_rng:rate_period': '1000' }),
  'video-sound-virtio-input': wish(
    { 'hw_video:ram_max_mb': '64' },
    { hw_video_model: 'qxl', hw_video_ram: '64', hw_sound_model: 'ich9', hw_input_bus: 'virtio' },
  ),
  'windows-kvm': {
    ...wish({ 'hw:hide_hypervisor_id': 'true' }, { os_type: 'windows', hw_time_hpet: 'yes', hw_pmu: 'no' }),
    accelerator: 'kvm',
  },
  'windows-tcg': wish({}, { os_type: 'windows' }),
  'hidden-hypervisor': { ...wish({}, { img_hide_hypervisor_id: 'true' }), accelerator: 'kvm' },
  'other-options': {
    ...plain,
    options: {
      cpuMode: 'custom',
      cpuModels: ['Haswell', 'Nehalem'],
      cpuModelExtraFlags: ['+pcid', '-vmx', 'SSBD'],
      machineType: 'pc-q35-7.2',
      diskCacheMode: 'writethrough',
      discard: 'ignore',
      pciePorts: 3,
      rngDevice: '/dev/random',
      sysinfoSerial: 'none',
    },
  },
  'any-processor': { ...plain, options: { ...DEFAULT_GUEST_OPTIONS, cpuMode: 'maximum' } },
  'hostile-names': {
    ...plain,
    spec: guestOf(serverId, {
      name: `</metadata><evil a="1">&'\u0000\u0008 ünï 😀`,
      imageProperties: { hw_vif_model: '"/><evil/>', hw_machine_type: '../../x' },
    }),
  },
}

for (const [name, facts] of Object.entries(cases))
  test(`golden: ${name}`, () => {
    const path = join(import.meta.dirname, 'golden', `${name}.xml`)
    const xml = domainXml(facts)
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, xml)
    assert.equal(xml, readFileSync(path, 'utf8'))
  })
