/** What this host can give guests beside CPUs, memory and disk: found out by looking. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { HostFeature } from '../../domain/hardware/demands.ts'
import { pageSizeFor, pageWish, type HugePages } from '../../domain/hardware/memory-pages.ts'
import type { HostHardware } from '../../domain/host.ts'
import type { GuestSpec } from '../driver.ts'
import { HostError } from '../host-error.ts'
import { canShape } from '../network/shaping.ts'
import { exists } from './disk.ts'
import { UEFI_FILES } from './domain/firmware.ts'

const PAGES = '/sys/kernel/mm/hugepages'

/** Those that a hugetlbfs is mounted for: without one QEMU cannot have them. */
async function hugePages(): Promise<readonly HugePages[]> {
  const mounts = await readFile('/proc/mounts', 'utf8')
  if (!/^\S+ \S+ hugetlbfs /m.test(mounts)) return []
  const names = await readdir(PAGES).catch(() => [])
  return Promise.all(
    names.flatMap((name) => {
      const sizeKib = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1] ?? 0)
      return sizeKib > 0
        ? [readFile(join(PAGES, name, 'free_hugepages'), 'utf8').then((free) => ({ sizeKib, free: Number(free) }))]
        : []
    }),
  )
}

export async function hostHardware(): Promise<HostHardware> {
  const features: HostFeature[] = []
  for (const [feature, { code, vars }] of [
    ['uefi', UEFI_FILES.plain],
    ['secureBoot', UEFI_FILES.secure],
  ] as const)
    if ((await exists(code)) && (await exists(vars))) features.push(feature)
  if (await canShape()) features.push('nicQuotas')
  return { features, hugePages: await hugePages() }
}

/** Of the guest's memory, in KiB; null: the machine's own. Errors: HostError NoHugePages. */
export async function pageSize({ flavor, imageProperties, serverId }: GuestSpec, host: string): Promise<number | null> {
  const wish = pageWish({ extraSpecs: flavor.extraSpecs, properties: imageProperties })
  if (wish === undefined) return null
  const size = pageSizeFor(wish, flavor.memoryMb, await hugePages())
  if (size === undefined)
    throw new HostError('NoHugePages', `host ${host} has too few free memory pages for server ${serverId}`)
  return size === 'small' ? null : size
}
