/**
 * The host can give the guest the hardware that its flavor and image ask for. Asked of every host, forced ones too, whatever filters are
 * enabled: a wish that nobody can fulfil is refused, never forgotten. Upstream: NUMATopologyFilter and the traits of placement.
 */
import { demandsOf, featureName, type HostFeature } from '../../domain/hardware/demands.ts'
import { pageSizeFor, pageWish, type PageWish } from '../../domain/hardware/memory-pages.ts'
import type { HostFilter, RequestSpec } from '../host-state.ts'

interface Asked {
  readonly demands: readonly HostFeature[]
  readonly pages: PageWish | undefined
}
const known = new WeakMap<RequestSpec, Asked>()

/** The same of every host that is asked. */
function askedBy(spec: RequestSpec): Asked {
  const before = known.get(spec)
  if (before) return before
  const wishes = { ...spec.resources, extraSpecs: spec.extraSpecs, properties: spec.imageProperties }
  const asked = { demands: demandsOf(wishes), pages: pageWish(wishes) }
  known.set(spec, asked)
  return asked
}

export const hardware: HostFilter = ({ hardware: { features, hugePages } }, spec) => {
  const { demands, pages } = askedBy(spec)
  const missing = demands.find((feature) => !features.includes(feature))
  if (missing) return `does not offer ${featureName(missing)}`
  const { resources } = spec
  return pages === undefined || pageSizeFor(pages, resources.memoryMb, hugePages) !== undefined
    ? undefined
    : `does not offer enough free memory pages of size ${typeof pages === 'number' ? `${pages} KiB` : pages}`
}
