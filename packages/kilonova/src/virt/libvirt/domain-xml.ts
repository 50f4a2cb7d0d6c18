/** The guest as libvirt wants to read it. Pure: the same facts give the same text, kept in golden/. */
import { hasAgent } from '../../domain/image-properties.ts'
import type { GuestSpec } from '../driver.ts'
import type { ConfigDriveFormat } from './config-drive.ts'
import { serialSocketPath } from './console-sockets.ts'
import type { GuestUser } from './guest-user.ts'
import { domainName, METADATA_NAMESPACE } from './names.ts'
import { disksOf, isStable, rescueBus, type DiskPlace } from './rescue-disks.ts'
import { element, render, type Xml } from './xml.ts'

export interface GuestDisk {
  readonly file: string
  /** The cached image it stands on; null: none. Said, so that libvirt looks for nothing that the guest wrote into its disk. */
  readonly base: { readonly file: string; readonly format: 'raw' | 'qcow2' } | null
}

export interface DomainFacts {
  readonly spec: GuestSpec
  readonly installationId: string
  /** How the guest's instructions are run: by the processor, or by QEMU itself. */
  readonly accelerator: 'kvm' | 'tcg'
  /** Whom QEMU runs as; libvirt gives it the files that it writes. */
  readonly user: GuestUser
  readonly rootDisk: GuestDisk | null
  /** Of a guest in rescue: what it boots from. */
  readonly rescueDisk: GuestDisk | null
  /** `none` where the file system can: the host keeps no second copy of what the guest caches itself. */
  readonly diskCache: 'none' | 'writeback'
  /** As a CD-ROM, or (vfat) as a disk. */
  readonly configDrive: { readonly file: string; readonly format: ConfigDriveFormat } | null
  readonly consoleLog: string
  readonly nics: readonly { readonly mac: string; readonly mtu: number; readonly tap: string }[]
}

/** A value an image may ask for, by the property's name; anything else gives the first. */
const CHOICES = {
  hw_machine_type: ['q35', 'pc'],
  hw_disk_bus: ['virtio', 'scsi', 'sata', 'ide', 'usb'],
  // virtio-scsi: Debian's cloud kernels have no driver for the SATA that q35 would give.
  hw_cdrom_bus: ['scsi', 'sata', 'ide', 'usb'],
  hw_vif_model: ['virtio', 'e1000', 'e1000e', 'rtl8139', 'ne2k_pci', 'pcnet', 'vmxnet3'],
  hw_video_model: ['vga', 'virtio', 'qxl', 'cirrus', 'bochs', 'none'],
} as const
const DEVICE_PREFIX: Readonly<Record<string, string>> = { virtio: 'vd', scsi: 'sd', sata: 'sd', usb: 'sd', ide: 'hd' }

function chosen<N extends keyof typeof CHOICES>(spec: GuestSpec, name: N): string {
  const asked = spec.imageProperties[name]
  const allowed: readonly string[] = CHOICES[name]
  return (asked !== undefined && allowed.includes(asked) ? asked : allowed[0]) ?? ''
}

export function domainXml(facts: DomainFacts): string {
  const { spec, accelerator, installationId } = facts
  const { vcpus, memoryMb } = spec.flavor
  const buses = { disk: chosen(spec, 'hw_disk_bus'), cdrom: chosen(spec, 'hw_cdrom_bus') }
  // Only the older machine has IDE.
  const machine = [...Object.values(buses), rescueBus(spec, buses.disk)].includes('ide')
    ? 'pc'
    : chosen(spec, 'hw_machine_type')
  return render(
    element(
      'domain',
      { type: accelerator === 'kvm' ? 'kvm' : 'qemu' },
      element('name', {}, domainName(installationId, spec.serverId)),
      element('uuid', {}, spec.serverId),
      metadata(facts),
      element('memory', { unit: 'MiB' }, memoryMb),
      element('currentMemory', { unit: 'MiB' }, memoryMb),
      element('vcpu', { placement: 'static' }, vcpus),
      element('sysinfo', { type: 'smbios' }, smbios(spec)),
      element(
        'os',
        {},
        element('type', { arch: 'x86_64', machine }, 'hvm'),
        // In stable device rescue the disk itself says that it is booted from.
        !isStable(spec) && element('boot', { dev: 'hd' }),
        element('smbios', { mode: 'sysinfo' }),
      ),
      element('features', {}, element('acpi'), element('apic')),
      cpu(accelerator, vcpus),
      clock(accelerator),
      element('on_poweroff', {}, 'destroy'),
      element('on_reboot', {}, 'restart'),
      element('on_crash', {}, 'destroy'),
      devices(facts, buses, machine),
      element(
        'seclabel',
        { type: 'static', model: 'dac', relabel: 'yes' },
        element('label', {}, `+${facts.user.uid}:+${facts.user.gid}`),
      ),
    ),
  )
}

const metadata = ({ spec, installationId }: DomainFacts): Xml =>
  element(
    'metadata',
    {},
    element(
      'kilonova:server',
      { 'xmlns:kilonova': METADATA_NAMESPACE },
      element('kilonova:installation', {}, installationId),
      element('kilonova:name', {}, spec.name),
      element('kilonova:flavor', { id: spec.flavor.id }, spec.flavor.name),
      element('kilonova:owner', { project: spec.projectId, user: spec.userId }),
      spec.imageId !== null && element('kilonova:image', { id: spec.imageId }),
    ),
  )

const smbios = (spec: GuestSpec): Xml =>
  element(
    'system',
    {},
    ...Object.entries({
      manufacturer: 'Kilonova',
      // cloud-init knows by this name that the metadata service is worth asking.
      product: 'OpenStack Nova',
      serial: spec.serverId,
      uuid: spec.serverId,
      family: 'Virtual Machine',
    }).map(([name, value]) => element('entry', { name }, value)),
  )

/** With KVM the host's own model. TCG emulates what it is asked for: an old model costs less, and every distribution runs on it. */
const cpu = (accelerator: DomainFacts['accelerator'], vcpus: number): Xml => {
  const topology = element('topology', { sockets: vcpus, cores: 1, threads: 1 })
  return accelerator === 'kvm'
    ? element('cpu', { mode: 'host-model', check: 'partial' }, topology)
    : element(
        'cpu',
        { mode: 'custom', match: 'exact', check: 'none' },
        element('model', { fallback: 'allow' }, 'Nehalem'),
        topology,
      )
}

const clock = (accelerator: DomainFacts['accelerator']): Xml =>
  element(
    'clock',
    { offset: 'utc' },
    element('timer', { name: 'pit', tickpolicy: 'delay' }),
    element('timer', { name: 'rtc', tickpolicy: 'catchup' }),
    element('timer', { name: 'hpet', present: 'no' }),
    accelerator === 'kvm' && element('timer', { name: 'kvmclock', present: 'yes' }),
  )

function devices(facts: DomainFacts, buses: { readonly disk: string; readonly cdrom: string }, machine: string): Xml {
  const { spec, configDrive, nics } = facts
  const line = element('source', { mode: 'bind', path: serialSocketPath(spec.serverId) })
  const log = element('log', { file: facts.consoleLog, append: 'on' })
  const video = chosen(spec, 'hw_video_model')
  const disks = disksOf(spec, facts, buses.disk)
  const hasB = configDrive?.format === 'iso9660' && DEVICE_PREFIX[buses.disk] === DEVICE_PREFIX[buses.cdrom]
  const usesScsi =
    disks.some(({ bus }) => bus === 'scsi') ||
    (configDrive !== null && (configDrive.format === 'vfat' ? buses.disk : buses.cdrom) === 'scsi')
  return element(
    'devices',
    {},
    element('emulator', {}, '/usr/bin/qemu-system-x86_64'),
    ...disks.filter(({ place }) => place === 'first').map((disk) => diskXml(disk, 'a', facts)),
    configDrive !== null && configDriveXml(configDrive, buses, disks.length > 0),
    // Behind the first disk, and the config drive where that is a CD-ROM on the same bus.
    ...disks.filter(({ place }) => place === 'next').map((disk) => diskXml(disk, hasB ? 'c' : 'b', facts)),
    ...slots(machine),
    usesScsi && element('controller', { type: 'scsi', index: 0, model: 'virtio-scsi' }),
    ...nics.map((nic) => nicElement(spec, nic)),
    element('serial', { type: 'unix' }, line, log, element('target', { type: 'isa-serial', port: 0 })),
    element('console', { type: 'unix' }, line, log, element('target', { type: 'serial', port: 0 })),
    hasAgent(spec.imageProperties) &&
      element('channel', { type: 'unix' }, element('target', { type: 'virtio', name: 'org.qemu.guest_agent.0' })),
    element('input', { type: 'tablet', bus: 'usb' }),
    // A socket of its own, which libvirt makes and only root opens: ports would be shared with every other libvirtd of the machine.
    element('graphics', { type: 'vnc' }, element('listen', { type: 'socket' })),
    element('video', {}, element('model', { type: video })),
    element('memballoon', { model: 'virtio' }, element('stats', { period: 10 })),
    element('rng', { model: 'virtio' }, element('backend', { model: 'random' }, '/dev/urandom')),
  )
}

/** The card of a port, as a guest that runs is given it. */
export const nicXml = (spec: GuestSpec, nic: DomainFacts['nics'][number]): string => render(nicElement(spec, nic))

const nicElement = (spec: GuestSpec, { mac, mtu, tap }: DomainFacts['nics'][number]): Xml =>
  element(
    'interface',
    { type: 'ethernet' },
    element('mac', { address: mac }),
    // The tap is there already; libvirt must neither make nor remove it.
    element('target', { dev: tap, managed: 'no' }),
    element('model', { type: chosen(spec, 'hw_vif_model') }),
    element('mtu', { size: mtu }),
  )

/** Of a PCI Express machine each device that comes later needs a slot that was there at its start; the older machine has slots of its own. */
const SLOTS = 16
const slots = (machine: string): readonly Xml[] =>
  machine === 'q35'
    ? [
        element('controller', { type: 'pci', model: 'pcie-root' }),
        ...Array.from({ length: SLOTS }, () => element('controller', { type: 'pci', model: 'pcie-root-port' })),
      ]
    : []

const diskXml = ({ disk, bus, device, boots }: DiskPlace, letter: string, { spec, diskCache }: DomainFacts): Xml =>
  element(
    'disk',
    { type: 'file', device },
    element('driver', { name: 'qemu', type: 'qcow2', cache: diskCache, discard: 'unmap' }),
    element('source', { file: disk.file }),
    backingStore(disk.base),
    element('target', { dev: `${DEVICE_PREFIX[bus]}${letter}`, bus }),
    device === 'cdrom' && element('readonly'),
    boots && isStable(spec) && element('boot', { order: 1 }),
  )

/** Guests share a cached image: none may own it. */
const backingStore = (base: GuestDisk['base']): Xml =>
  base === null
    ? element('backingStore')
    : element(
        'backingStore',
        { type: 'file' },
        element('format', { type: base.format }),
        element('source', { file: base.file }, element('seclabel', { model: 'dac', relabel: 'no' })),
        element('backingStore'),
      )

/** A disk takes the last name of its bus: others come and go in between. */
function configDriveXml(
  { file, format }: NonNullable<DomainFacts['configDrive']>,
  buses: { readonly disk: string; readonly cdrom: string },
  hasRoot: boolean,
): Xml {
  const isDisk = format === 'vfat'
  const bus = isDisk ? buses.disk : buses.cdrom
  const shared = DEVICE_PREFIX[buses.disk] === DEVICE_PREFIX[buses.cdrom]
  const letter = isDisk ? (LAST_LETTER[bus] ?? 'z') : shared && hasRoot ? 'b' : 'a'
  return element(
    'disk',
    { type: 'file', device: isDisk ? 'disk' : 'cdrom' },
    element('driver', { name: 'qemu', type: 'raw' }),
    element('source', { file }),
    element('target', { dev: `${DEVICE_PREFIX[bus]}${letter}`, bus }),
    !isDisk && element('readonly'),
  )
}
/** Where a bus, or its one controller, ends before the alphabet does. */
const LAST_LETTER: Readonly<Record<string, string>> = { ide: 'd', sata: 'f', scsi: 'o' }
