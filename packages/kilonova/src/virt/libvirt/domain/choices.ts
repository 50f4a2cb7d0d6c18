/** Values an image or a flavor may ask for by a property's name; what is unknown here gives the first, as it did when the server was made. */
import type { GuestSpec } from '../../driver.ts'
import { either, type Wishes } from '../../../domain/hardware/wishes.ts'
import type { DomainFacts } from './facts.ts'
import { rescueBus } from '../rescue-disks.ts'

const CHOICES = {
  hw_disk_bus: ['virtio', 'scsi', 'sata', 'ide', 'usb'],
  // virtio-scsi: Debian's cloud kernels have no driver for the SATA that q35 would give.
  hw_cdrom_bus: ['scsi', 'sata', 'ide', 'usb'],
  hw_vif_model: ['virtio', 'e1000', 'e1000e', 'rtl8139', 'ne2k_pci', 'pcnet', 'vmxnet3', 'igb'],
  hw_video_model: ['vga', 'virtio', 'qxl', 'cirrus', 'bochs', 'none'],
  hw_scsi_model: ['virtio-scsi', 'lsilogic', 'lsisas1068', 'lsisas1078', 'vmpvscsi', 'buslogic'],
  hw_input_bus: ['usb', 'virtio'],
} as const

export function chosen<N extends keyof typeof CHOICES>(spec: GuestSpec, name: N): string {
  const asked = spec.imageProperties[name]
  const allowed: readonly string[] = CHOICES[name]
  return (asked !== undefined && allowed.includes(asked) ? asked : allowed[0]) ?? ''
}

export const wishesOf = ({ flavor, imageProperties }: GuestSpec): Wishes => ({
  vcpus: flavor.vcpus,
  memoryMb: flavor.memoryMb,
  extraSpecs: flavor.extraSpecs,
  properties: imageProperties,
})
/** `hw:<key>` of the flavor, else `hw_<key>` of the image. */
export const wished = (spec: GuestSpec, key: string): string | undefined => either(wishesOf(spec), key)

export interface Buses {
  readonly disk: string
  readonly cdrom: string
}
export const busesOf = (spec: GuestSpec): Buses => ({
  disk: chosen(spec, 'hw_disk_bus'),
  cdrom: chosen(spec, 'hw_cdrom_bus'),
})

const MACHINES = /^(pc|q35|pc-(i440fx|q35)-\d+\.\d+)$/
/** Only the older machine has IDE. */
export function machineOf({ spec, options }: Pick<DomainFacts, 'spec' | 'options'>): string {
  const buses = busesOf(spec)
  if ([...Object.values(buses), rescueBus(spec, buses.disk)].includes('ide')) return 'pc'
  const asked = spec.imageProperties['hw_machine_type'] ?? ''
  return MACHINES.test(asked) ? asked : options.machineType
}
export const isQ35 = (facts: Pick<DomainFacts, 'spec' | 'options'>): boolean => machineOf(facts).includes('q35')
