/** The empty local disks that `block_device_mapping_v2` asks for: as many and as large as the flavor has room for. Upstream: _validate_bdm. */
import type { Flavor } from '../../domain/flavor.ts'
import type { LocalDisks } from '../../domain/local-disks.ts'
import { badRequest } from '../faults.ts'

export interface BlankDevice {
  readonly source_type?: string | undefined
  readonly destination_type?: string | undefined
  readonly guest_format?: string | undefined
  readonly volume_size?: number | '' | null | undefined
  readonly boot_index?: number | null | undefined
  readonly uuid?: string | undefined
}

/** `max_local_block_devices` of upstream, its default. */
const MOST_LOCAL = 3

const invalid = (why: string) => badRequest(`Block Device Mapping is Invalid: ${why}`)
export const isBlank = ({ source_type: source, destination_type: destination }: BlankDevice): boolean =>
  source === 'blank' && destination !== 'volume'
const isSwap = ({ guest_format: format }: BlankDevice): boolean => format === 'swap'

/** Null: nothing was asked, so the flavor's. A swap disk's size is in MiB. */
export function blankDisks(devices: readonly BlankDevice[], flavor: Flavor): LocalDisks | null {
  const blank = devices.filter(isBlank)
  if (blank.length === 0) return null
  for (const { uuid, boot_index: bootIndex } of blank) {
    if (uuid !== undefined) throw invalid('Invalid device UUID.')
    if (typeof bootIndex === 'number' && bootIndex >= 0)
      throw invalid('Boot sequence for the instance and image/block device mapping combination is not valid.')
  }
  const swaps = blank.filter(isSwap)
  const ephemerals = blank.filter((device) => !isSwap(device))
  const ephemeralsGb = ephemerals.map(({ volume_size: size }) => size || flavor.ephemeralGb)
  if (ephemeralsGb.reduce((sum, size) => sum + size, 0) > flavor.ephemeralGb)
    throw badRequest(
      'Ephemeral disks requested are larger than the instance type allows. If no size is given in one block device mapping, flavor ephemeral size will be used.',
    )
  if (swaps.length > 1) throw invalid('More than one swap drive requested.')
  const [swap] = swaps
  if (swap && (swap.volume_size || 0) > flavor.swapMb)
    throw badRequest('Swap drive requested is larger than instance type allows.')
  const swapMb = swap ? swap.volume_size || flavor.swapMb : flavor.swapMb
  const found: LocalDisks = {
    // What was not asked for otherwise is as the flavor has it.
    ephemeralsGb:
      ephemerals.length > 0
        ? ephemeralsGb.filter((size) => size > 0)
        : flavor.ephemeralGb > 0
          ? [flavor.ephemeralGb]
          : [],
    swapMb,
  }
  if (1 + found.ephemeralsGb.length + (swapMb > 0 ? 1 : 0) > MOST_LOCAL)
    throw invalid('You specified more local devices than the limit allows')
  return found
}
