/** Where the guest's memory lies on the host. */
import { lockedMemory } from '../../../domain/hardware/memory-pages.ts'
import { element, type Xml } from '../xml.ts'
import { wishesOf } from './choices.ts'
import type { DomainFacts } from './facts.ts'

export function memoryBacking({ spec, hugePageKib }: DomainFacts): Xml | false {
  const locked = lockedMemory(wishesOf(spec))
  if (hugePageKib === null && !locked) return false
  return element(
    'memoryBacking',
    {},
    hugePageKib !== null && element('hugepages', {}, element('page', { size: hugePageKib, unit: 'KiB' })),
    locked && element('locked'),
  )
}
