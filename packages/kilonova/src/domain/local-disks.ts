/** What a server has beside its root disk: empty disks of its host, which are gone with it. */
import type { Flavor } from './flavor.ts'

/** (A type, not an interface: it is kept as JSON.) */
export type LocalDisks = {
  readonly ephemeralsGb: readonly number[]
  /** 0: none. */
  readonly swapMb: number
}

/** As the request divided them, else as the flavor says. */
export const localDisksOf = ({
  flavor,
  localDisks,
}: {
  readonly flavor: Pick<Flavor, 'ephemeralGb' | 'swapMb'>
  readonly localDisks: LocalDisks | null
}): LocalDisks =>
  localDisks ?? { ephemeralsGb: flavor.ephemeralGb > 0 ? [flavor.ephemeralGb] : [], swapMb: flavor.swapMb }

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'

/** `ephemeral0`, …, `swap` to the names that guests give them behind the root disk (`/dev/vda`). */
export function deviceNames(
  rootDevice: string,
  { ephemeralsGb, swapMb }: LocalDisks,
): Readonly<Record<string, string>> {
  const names = [...ephemeralsGb.map((_, index) => `ephemeral${index}`), ...(swapMb > 0 ? ['swap'] : [])]
  const bus = rootDevice.replace(/[a-z]$/, '')
  const first = LETTERS.indexOf(rootDevice.slice(-1)) + 1
  return Object.fromEntries(names.map((name, index) => [name, `${bus}${LETTERS[first + index] ?? ''}`]))
}
