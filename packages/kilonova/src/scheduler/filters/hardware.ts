/**
 * The host can give the guest the hardware that its flavor and image ask for. Asked of every host, forced ones too, whatever filters are
 * enabled: a wish that nobody can fulfil is refused, never forgotten. Upstream: NUMATopologyFilter and the traits of placement.
 */
import { demandsOf, featureName } from '../../domain/hardware/demands.ts'
import { pageSizeFor, pageWish } from '../../domain/hardware/memory-pages.ts'
import type { HostFilter } from '../host-state.ts'

export const hardware: HostFilter = (
  { hardware: { features, hugePages } },
  { imageProperties, extraSpecs, resources },
) => {
  const wishes = { ...resources, extraSpecs, properties: imageProperties }
  const missing = demandsOf(wishes).find((feature) => !features.includes(feature))
  if (missing) return `does not offer ${featureName(missing)}`
  const pages = pageWish(wishes)
  return pages === undefined || pageSizeFor(pages, resources.memoryMb, hugePages) !== undefined
    ? undefined
    : `does not offer enough free memory pages of size ${typeof pages === 'number' ? `${pages} KiB` : pages}`
}
