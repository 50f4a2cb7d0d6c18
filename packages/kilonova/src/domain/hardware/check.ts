/** Whether a flavor and an image make a guest together: said when a server is created, rebuilt or given another size. */
import { checkCpuPolicy } from './cpu-policy.ts'
import { topologyConstraints } from './cpu-topology.ts'
import { secureBoot, statelessFirmware } from './firmware.ts'
import { checkImageValues } from './image-values.ts'
import { lockedMemory, pageWish } from './memory-pages.ts'
import { nicQuota } from './nic-quota.ts'
import { agreedFlag, both, conflict, isYes, refuse, type Wishes } from './wishes.ts'

/** So many has a PC. */
export const MOST_SERIAL_PORTS = 4

/** An image may ask for fewer than its flavor. Errors: BadRequest. */
export function serialPorts(wishes: Pick<Wishes, 'extraSpecs' | 'properties'>): number {
  const { flavor, image } = both(wishes, 'serial_port_count')
  if (flavor !== undefined && !/^\s*\d+\s*$/.test(flavor))
    throw refuse(`Number of serial ports specified in flavor is invalid: expected an integer, got '${flavor}'`)
  const [most, asked] = [Number(flavor ?? 0), Number(image ?? 0)]
  if (most > 0 && asked > most)
    throw refuse('Forbidden to exceed flavor value of number of serial ports passed in image meta.')
  const count = asked || most || 1
  if (count > MOST_SERIAL_PORTS) throw refuse(`Maximum number of serial port exceeds ${MOST_SERIAL_PORTS} for kvm`)
  return count
}

/** MiB; undefined: the device's own. Errors: BadRequest, when the flavor does not allow it. */
export function videoRamMb({ extraSpecs, properties }: Pick<Wishes, 'extraSpecs' | 'properties'>): number | undefined {
  const asked = Number(properties['hw_video_ram'] ?? 0)
  const most = Number(extraSpecs['hw_video:ram_max_mb'] ?? 0)
  if (asked > most)
    throw refuse(`The requested amount of video memory ${asked} is higher than the maximum allowed by flavor ${most}.`)
  return asked > 0 ? asked : undefined
}

const ONE_WORD = ['sound_model', 'viommu_model', 'tpm_model', 'tpm_version', 'usb_model', 'mem_encryption_model']

/** Errors: BadRequest, in upstream's words. */
export function checkHardware(wishes: Wishes): void {
  checkImageValues(wishes.properties)
  agreedFlag(wishes, 'mem_encryption')
  agreedFlag(wishes, 'pmu')
  agreedFlag(wishes, 'vif_multiqueue_enabled')
  agreedFlag(wishes, 'virtio_packed_ring')
  agreedFlag(wishes, 'ephemeral_encryption')
  for (const key of ONE_WORD) {
    const { flavor, image } = both(wishes, key)
    if (flavor !== undefined && image !== undefined && flavor !== image) throw conflict(key, flavor, image)
  }
  serialPorts(wishes)
  videoRamMb(wishes)
  topologyConstraints(wishes)
  checkCpuPolicy(wishes)
  pageWish(wishes)
  lockedMemory(wishes)
  secureBoot(wishes)
  statelessFirmware(wishes)
  nicQuota(wishes.extraSpecs)
  const nodes = both(wishes, 'numa_nodes')
  if (nodes.flavor !== undefined && nodes.image !== undefined && nodes.flavor !== nodes.image)
    throw refuse(
      "Image property 'hw_numa_nodes' is not permitted to override NUMA configuration set against the flavor",
    )
  if (isYes(wishes.extraSpecs['hw:cpu_realtime']) && wishes.extraSpecs['hw:cpu_realtime_mask'] === undefined)
    throw refuse(
      'Realtime policy needs vCPU(s) mask configured with at least 1 RT vCPU and 1 ordinary vCPU. See hw:cpu_realtime_mask or hw_cpu_realtime_mask',
    )
}
