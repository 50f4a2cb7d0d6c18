/**
 * Sockets, cores and threads that a guest sees: of all that make its number of vCPUs within the limits, the one that is most like what was
 * preferred; among equals few threads, then many sockets. An image may lower what its flavor allows. Upstream: get_best_cpu_topology.
 */
import { both, refuse, type Wishes } from './wishes.ts'

export interface CpuTopology {
  readonly sockets: number
  readonly cores: number
  readonly threads: number
}

const PARTS = ['sockets', 'cores', 'threads'] as const
const NO_LIMIT = 65_536

const of = (part: (name: (typeof PARTS)[number]) => number): CpuTopology => ({
  sockets: part('sockets'),
  cores: part('cores'),
  threads: part('threads'),
})
const said = (text: string | undefined, where: string): number => {
  if (text === undefined) return 0
  const value = Number(text)
  if (!Number.isInteger(value) || text.trim() === '')
    throw refuse(`Invalid ${where}. Error: invalid literal for int() with base 10: '${text}'`)
  return value
}
const flavorSays = (text: string | undefined): number => said(text, 'flavor extra spec')
const imageSays = (text: string | undefined): number => said(text, 'image metadata')
const list = (name: string, { sockets, cores, threads }: CpuTopology): string =>
  `${name} (sockets=${sockets}, cores=${cores}, threads=${threads})`
const inBrackets = (topology: CpuTopology): string => list('', topology).trimStart()
const exceeds = (one: CpuTopology, limit: CpuTopology): boolean => PARTS.some((part) => one[part] > limit[part])

/** Errors: BadRequest, in upstream's words. */
export function topologyConstraints(wishes: Wishes): { readonly preferred: CpuTopology; readonly most: CpuTopology } {
  const flavorMost = of((part) => flavorSays(both(wishes, `cpu_max_${part}`).flavor))
  const imageMost = of((part) => imageSays(both(wishes, `cpu_max_${part}`).image))
  if (PARTS.some((part) => flavorMost[part] > 0 && imageMost[part] > flavorMost[part]))
    throw refuse(
      `${list('Image vCPU topology limits', imageMost)} exceeds the limits of the flavor ${inBrackets(flavorMost)}`,
    )
  const most = of((part) => imageMost[part] || flavorMost[part] || NO_LIMIT)
  const image = of((part) => imageSays(both(wishes, `cpu_${part}`).image))
  if (exceeds(image, most))
    throw refuse(`${list('Image vCPU topology', image)} exceeds the limits of the flavor or image ${inBrackets(most)}`)
  const flavor = of((part) => flavorSays(both(wishes, `cpu_${part}`).flavor))
  // An image that says anything replaces all of it; limits that the image lowered make it void.
  const preferred = PARTS.some((part) => image[part] > 0) ? image : exceeds(flavor, most) ? of(() => 0) : flavor
  return { preferred, most }
}

/** Errors: BadRequest. */
export function cpuTopology(wishes: Wishes): CpuTopology {
  const { vcpus } = wishes
  const { preferred, most } = topologyConstraints(wishes)
  const limit = of((part) => Math.min(vcpus, most[part]))
  const possible: CpuTopology[] = []
  for (let sockets = 1; sockets <= limit.sockets; sockets++)
    for (let cores = 1; cores <= limit.cores && sockets * cores <= vcpus; cores++) {
      const threads = vcpus / (sockets * cores)
      if (Number.isInteger(threads) && threads <= limit.threads) possible.push({ sockets, cores, threads })
    }
  const score = (topology: CpuTopology): number => PARTS.filter((part) => preferred[part] === topology[part]).length
  const [best] = possible.toSorted(
    (a, b) => score(b) - score(a) || b.sockets * b.cores - a.sockets * a.cores || b.sockets - a.sockets,
  )
  if (!best)
    throw refuse(
      `Requested vCPU limits ${limit.sockets}:${limit.cores}:${limit.threads} are impossible to satisfy for vcpus count ${vcpus}`,
    )
  return best
}
