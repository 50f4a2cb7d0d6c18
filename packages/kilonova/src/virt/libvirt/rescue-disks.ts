/**
 * The disks of a guest in rescue. The rescue disk is the first, the guest's own comes after the config drive; an image that names
 * `hw_rescue_device` or `hw_rescue_bus` wants the devices as they were, and its own disk added and booted from (stable device rescue).
 */
import type { GuestSpec } from '../driver.ts'
import type { GuestDisk } from './domain/facts.ts'

export interface DiskPlace {
  readonly disk: GuestDisk
  readonly bus: string
  readonly device: 'disk' | 'cdrom'
  /** `first`: the name that the root disk has; `next`: after what else is on the bus. */
  readonly place: 'first' | 'next'
  readonly boots: boolean
}

const BUSES: readonly string[] = ['virtio', 'scsi', 'sata', 'ide', 'usb']

const propertiesOf = (spec: GuestSpec): Readonly<Record<string, string>> => spec.rescue?.imageProperties ?? {}
export const isStable = (spec: GuestSpec): boolean =>
  propertiesOf(spec)['hw_rescue_device'] !== undefined || propertiesOf(spec)['hw_rescue_bus'] !== undefined

/** Of the disk that is booted from in stable device rescue. */
export function rescueBus(spec: GuestSpec, diskBus: string): string {
  const asked = propertiesOf(spec)['hw_rescue_bus'] ?? ''
  return BUSES.includes(asked) ? asked : diskBus
}

export function disksOf(
  spec: GuestSpec,
  { rootDisk, rescueDisk }: { readonly rootDisk: GuestDisk | null; readonly rescueDisk: GuestDisk | null },
  diskBus: string,
): readonly DiskPlace[] {
  const own: DiskPlace | undefined =
    rootDisk === null ? undefined : { disk: rootDisk, bus: diskBus, device: 'disk', place: 'first', boots: true }
  if (rescueDisk === null) return own ? [own] : []
  if (isStable(spec)) {
    const device = propertiesOf(spec)['hw_rescue_device'] === 'cdrom' ? 'cdrom' : 'disk'
    const asked = rescueBus(spec, diskBus)
    // There is no CD-ROM on virtio's own bus.
    const bus = device === 'cdrom' && asked === 'virtio' ? 'scsi' : asked
    const added: DiskPlace = { disk: rescueDisk, bus, device, place: 'next', boots: true }
    return own ? [{ ...own, boots: false }, added] : [added]
  }
  const first: DiskPlace = { disk: rescueDisk, bus: diskBus, device: 'disk', place: 'first', boots: true }
  return own ? [first, { ...own, place: 'next', boots: false }] : [first]
}
