/** The guest's disks and config drive, each at a name of its bus that stays its own while others come and go. */
import { isYes } from '../../../domain/hardware/wishes.ts'
import { disksOf, isStable, type DiskPlace } from '../rescue-disks.ts'
import { element, type Xml } from '../xml.ts'
import { busesOf, chosen, wished, type Buses } from './choices.ts'
import type { DomainFacts, GuestDisk } from './facts.ts'

const DEVICE_PREFIX: Readonly<Record<string, string>> = { virtio: 'vd', scsi: 'sd', sata: 'sd', usb: 'sd', ide: 'hd' }
/** Where a bus, or its one controller, ends before the alphabet does. */
const LAST_LETTER: Readonly<Record<string, string>> = { ide: 'd', sata: 'f', scsi: 'o' }
const LETTERS = 'abcdefghijklmnopqrstuvwxyz'

export function disks(facts: DomainFacts): readonly (Xml | false)[] {
  const { spec, configDrive } = facts
  const buses = busesOf(spec)
  const places = disksOf(spec, facts, buses.disk)
  const hasB = configDrive?.format === 'iso9660' && DEVICE_PREFIX[buses.disk] === DEVICE_PREFIX[buses.cdrom]
  const next = places.filter(({ place }) => place === 'next')
  // Upstream's rescue without stable devices shows the root disk alone.
  const local = spec.rescue && !isStable(spec) ? [] : facts.localDisks
  // Behind the first disk, and the config drive where that is a CD-ROM on the same bus.
  const behind = hasB ? 2 : 1
  return [
    ...places.filter(({ place }) => place === 'first').map((disk) => diskXml(disk, 'a', facts)),
    configDrive !== null && configDriveXml(configDrive, buses, places.length > 0),
    ...local.map((file, index) => localDisk(file, LETTERS[behind + index] ?? 'z', buses.disk, facts)),
    ...next.map((disk) => diskXml(disk, LETTERS[behind + local.length] ?? 'z', facts)),
  ]
}

/** What its disks on that bus hang on. */
export function scsiController({ spec, rootDisk, rescueDisk, localDisks, configDrive }: DomainFacts): Xml | false {
  const buses = busesOf(spec)
  const isScsi =
    disksOf(spec, { rootDisk, rescueDisk }, buses.disk).some(({ bus }) => bus === 'scsi') ||
    (localDisks.length > 0 && buses.disk === 'scsi') ||
    (configDrive !== null && (configDrive.format === 'vfat' ? buses.disk : buses.cdrom) === 'scsi')
  return isScsi && element('controller', { type: 'scsi', index: 0, model: chosen(spec, 'hw_scsi_model') })
}

const driver = (type: 'qcow2' | 'raw', bus: string, { spec, diskCache, options }: DomainFacts): Xml =>
  element('driver', {
    name: 'qemu',
    type,
    cache: options.diskCacheMode ?? diskCache,
    discard: options.discard,
    packed: bus === 'virtio' && isYes(wished(spec, 'virtio_packed_ring')) ? 'on' : undefined,
  })

/** QEMU itself holds a disk to its flavor's limits. */
function ioTune({ spec }: DomainFacts): Xml | false {
  const limits = ['total', 'read', 'write'].flatMap((side) =>
    ['bytes', 'iops'].flatMap((unit) => {
      const most = Number(spec.flavor.extraSpecs[`quota:disk_${side}_${unit}_sec`] ?? 0)
      return most > 0 ? element(`${side}_${unit}_sec`, {}, most) : []
    }),
  )
  return limits.length > 0 && element('iotune', {}, ...limits)
}

const diskXml = ({ disk, bus, device, boots }: DiskPlace, letter: string, facts: DomainFacts): Xml =>
  element(
    'disk',
    { type: 'file', device },
    driver('qcow2', bus, facts),
    element('source', { file: disk.file }),
    backingStore(disk.base),
    element('target', { dev: `${DEVICE_PREFIX[bus]}${letter}`, bus }),
    device !== 'cdrom' && ioTune(facts),
    device === 'cdrom' && element('readonly'),
    boots && isStable(facts.spec) && element('boot', { order: 1 }),
  )

const localDisk = (file: string, letter: string, bus: string, facts: DomainFacts): Xml =>
  element(
    'disk',
    { type: 'file', device: 'disk' },
    driver('raw', bus, facts),
    element('source', { file }),
    element('backingStore'),
    element('target', { dev: `${DEVICE_PREFIX[bus]}${letter}`, bus }),
    ioTune(facts),
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
  buses: Buses,
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
