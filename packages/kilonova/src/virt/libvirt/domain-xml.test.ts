/** The guest's XML against golden files; `UPDATE_GOLDEN=1` writes them anew. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { guestOf } from '../contract-values.ts'
import { domainXml, type DomainFacts } from './domain-xml.ts'

const serverId = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee'
const folder = `/srv/instances/${serverId}`
const plain: DomainFacts = {
  spec: guestOf(serverId),
  installationId: 'ab12',
  accelerator: 'tcg',
  user: { uid: 1_879_048_192, gid: 1_879_048_192 },
  rootDisk: { file: `${folder}/disk`, base: { file: '/srv/instances/_base/sha512-00.qcow2', format: 'qcow2' } },
  rescueDisk: null,
  diskCache: 'none',
  configDrive: null,
  consoleLog: `${folder}/console.log`,
  nics: [],
}

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
