/** How a guest's vCPUs share the host's CPUs. Upstream: get_cpu_policy_constraint and its neighbours. */
import { both, isYes, refuse, type Wishes } from './wishes.ts'

export type CpuPolicy = 'shared' | 'dedicated' | 'mixed'
const POLICIES: readonly string[] = ['dedicated', 'shared', 'mixed']
const THREAD_POLICIES: readonly string[] = ['prefer', 'isolate', 'require']

/** Python's way of writing a tuple: upstream's text holds one. */
const tuple = (words: readonly string[]): string => `(${words.map((word) => `'${word}'`).join(', ')})`

function checked(what: string, known: readonly string[], flavor: string | undefined, image: string | undefined): void {
  for (const [source, requested] of [
    ['flavor extra specs', flavor],
    ['image properties', image],
  ] as const)
    if (requested !== undefined && !known.includes(requested))
      throw refuse(
        `${what} policy requested from '${source}' is invalid, given: '${requested}', available: '${tuple(known)}'.`,
      )
}

/** Undefined: nobody said, which is shared. Errors: BadRequest. */
export function cpuPolicy(wishes: Wishes): CpuPolicy | undefined {
  const { flavor, image } = both(wishes, 'cpu_policy')
  checked('CPU', POLICIES, flavor, image)
  const mayNot = flavor === 'shared' ? ['mixed', 'dedicated'] : flavor === 'mixed' ? ['dedicated'] : []
  if (image !== undefined && mayNot.includes(image))
    throw refuse(
      "Image property 'hw_cpu_policy' is not permitted to override CPU pinning policy set against the flavor",
    )
  const pcpus = Number(wishes.extraSpecs['resources:PCPU'] ?? 0)
  const vcpus = Number(wishes.extraSpecs['resources:VCPU'] ?? 0)
  const policy = (flavor ?? image) as CpuPolicy | undefined
  if (policy && (pcpus || vcpus))
    throw refuse(
      "It is not possible to use the 'resources:VCPU' or 'resources:PCPU' extra specs in combination with the 'hw:cpu_policy' extra spec or 'hw_cpu_policy' image metadata property; use one or the other",
    )
  return pcpus > 0 ? 'dedicated' : policy
}

/** Errors: BadRequest. */
export function checkCpuPolicy(wishes: Wishes): void {
  const policy = cpuPolicy(wishes)
  const { flavor, image } = both(wishes, 'cpu_thread_policy')
  checked('CPU thread', THREAD_POLICIES, flavor, image)
  if (flavor !== undefined && flavor !== 'prefer' && image !== undefined && image !== flavor)
    throw refuse(
      "Image property 'hw_cpu_thread_policy' is not permitted to override CPU thread pinning policy set against the flavor",
    )
  const { extraSpecs } = wishes
  const [mask, realtimeMask] = [extraSpecs['hw:cpu_dedicated_mask'], extraSpecs['hw:cpu_realtime_mask']]
  if (policy === 'mixed') {
    if ((mask === undefined) === (realtimeMask === undefined))
      throw refuse(
        "Dedicated CPU set can be specified from either 'hw:cpu_dedicated_mask' or 'hw:cpu_realtime_mask' when using 'mixed' CPU policy. 'hw:cpu_dedicated_mask' and 'hw:cpu_realtime_mask' can not be specified at the same time, or be specified with none of them.",
      )
    return
  }
  if (policy !== 'dedicated') {
    if ((flavor ?? image) !== undefined)
      throw refuse('Cannot set cpu thread pinning policy in a non dedicated cpu pinning policy')
    if (extraSpecs['hw:emulator_threads_policy'] === 'isolate')
      throw refuse('An isolated CPU emulator threads option requires a dedicated CPU policy option.')
    if (isYes(extraSpecs['hw:cpu_realtime']))
      throw refuse('Cannot set realtime policy in a non dedicated cpu pinning policy')
  }
  if (mask !== undefined) throw refuse("Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy.")
}
