/** Ranks the hosts that fit, and says of every other why it does not. Pure: the same snapshot, request and seed give the same answer. */
import { ALWAYS, FILTERS } from './filters/index.ts'
import type { HostState, RequestSpec, SchedulerOptions } from './host-state.ts'
import { WEIGHERS } from './weighers/index.ts'

export interface Rejection {
  readonly host: string
  readonly filter: string
  readonly reason: string
}
export interface Selection {
  /** Best first. */
  readonly hosts: readonly HostState[]
  readonly rejections: readonly Rejection[]
}

const FOR_FORCED = ['ComputeFilter', 'CoreFilter', 'RamFilter', 'DiskFilter']

const askedFor = (spec: RequestSpec, options: SchedulerOptions): ReadonlySet<string> =>
  new Set([...(spec.forced ? FOR_FORCED : options.enabledFilters), ...ALWAYS])

/** The first filter that says no. */
export function rejectionOf(
  host: HostState,
  spec: RequestSpec,
  options: SchedulerOptions,
  filters = askedFor(spec, options),
): Rejection | undefined {
  for (const filter of filters) {
    const reason = FILTERS[filter]?.filter(host, spec, options)
    if (reason !== undefined) return { host: host.host, filter, reason }
  }
  return undefined
}

/** `seed` (the request id) breaks ties, so that a placement can be replayed. */
export function select(
  snapshot: readonly HostState[],
  spec: RequestSpec,
  options: SchedulerOptions,
  seed: string,
): Selection {
  const rejections: Rejection[] = []
  const filters = askedFor(spec, options)
  const fitting = snapshot.filter((host) => {
    const rejection = rejectionOf(host, spec, options, filters)
    if (rejection) rejections.push(rejection)
    return !rejection
  })
  const weights = weigh(fitting, spec, options)
  const order = fitting.map((host, index) => ({ host, weight: weights[index] ?? 0, tie: tieOf(seed, host) }))
  return { hosts: order.toSorted((a, b) => b.weight - a.weight || a.tie - b.tie).map(({ host }) => host), rejections }
}

export const tieOf = (seed: string, { host }: HostState): number => hash(`${seed}/${host}`)

/** Each weigher's values are stretched to 0..1 over the hosts (all equal: 0), multiplied, and added up, as upstream does. */
export function weigh(
  hosts: readonly HostState[],
  spec: RequestSpec,
  { multipliers }: SchedulerOptions,
): readonly number[] {
  const sums = hosts.map(() => 0)
  for (const { weigher, multiplier } of Object.values(WEIGHERS)) {
    const factor = multipliers[multiplier] ?? 1
    if (factor === 0) continue
    const raw = hosts.map((host) => weigher(host, spec))
    const low = Math.min(...raw)
    const span = Math.max(...raw) - low
    if (span > 0) raw.forEach((value, index) => (sums[index] = (sums[index] ?? 0) + (factor * (value - low)) / span))
  }
  return sums
}

/** FNV-1a, 32 bit: spreads names evenly, the same on every machine. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0
  return value
}

/** Stands in for a filter when a host fitted, but another request claimed its room first. */
export const LOST = 'Claim'
const BECAUSE_LOST = { one: 'was filled by another request meanwhile', many: 'were filled by other requests meanwhile' }

/** A filter's, or a reason that speaks for itself: `does not offer UEFI`. */
const wordsFor = (key: string): { readonly one: string; readonly many: string } =>
  FILTERS[key]?.because ?? (key === LOST ? BECAUSE_LOST : { one: key, many: key.replace(/^does /, 'do ') })

/** `3 hosts: 2 have too little free memory, 1 is down or disabled.` */
export function explain(hosts: number, rejections: readonly Rejection[]): string {
  if (hosts === 0) return 'There are no hosts.'
  const counts = new Map<string, number>()
  for (const { filter, reason } of rejections) {
    const key = FILTERS[filter]?.because === null ? reason : filter
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  const parts = [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .map(([key, count]) => `${count} ${wordsFor(key)[count === 1 ? 'one' : 'many']}`)
  return `${hosts} ${hosts === 1 ? 'host' : 'hosts'}: ${parts.join(', ')}.`
}
