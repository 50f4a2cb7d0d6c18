/** The guest's devices in the order that libvirt names them by. */
import { isYes } from '../../../domain/hardware/wishes.ts'
import { element, type Xml } from '../xml.ts'
import { isQ35 } from './choices.ts'
import { consoles } from './consoles.ts'
import { disks, scsiController } from './disks.ts'
import type { DomainFacts } from './facts.ts'
import { nics } from './nics.ts'

const ACTIONS: readonly string[] = ['none', 'pause', 'poweroff', 'reset']

/** The image's word comes over the flavor's, as upstream has it. */
function watchdog({ spec }: DomainFacts): Xml | false {
  const action =
    spec.imageProperties['hw_watchdog_action'] ?? spec.flavor.extraSpecs['hw:watchdog_action'] ?? 'disabled'
  return ACTIONS.includes(action) && element('watchdog', { model: 'i6300esb', action })
}

function rng({ spec, options }: DomainFacts): Xml | false {
  const { extraSpecs } = spec.flavor
  if (!isYes(extraSpecs['hw_rng:allowed'] ?? 'yes')) return false
  const bytes = Number(extraSpecs['hw_rng:rate_bytes'] ?? 0)
  const period = Number(extraSpecs['hw_rng:rate_period'] ?? 0)
  return element(
    'rng',
    { model: 'virtio' },
    bytes > 0 && element('rate', { bytes, period: period > 0 ? period : undefined }),
    element('backend', { model: 'random' }, options.rngDevice),
  )
}

/** Of a PCI Express machine each device that comes later needs a slot that was there at its start; the older machine has slots of its own. */
const slots = (facts: DomainFacts): readonly Xml[] =>
  isQ35(facts) && facts.options.pciePorts > 0
    ? [
        element('controller', { type: 'pci', model: 'pcie-root' }),
        ...Array.from({ length: facts.options.pciePorts }, () =>
          element('controller', { type: 'pci', model: 'pcie-root-port' }),
        ),
      ]
    : []

export const devices = (facts: DomainFacts): Xml =>
  element(
    'devices',
    {},
    element('emulator', {}, '/usr/bin/qemu-system-x86_64'),
    ...disks(facts),
    ...slots(facts),
    scsiController(facts),
    ...nics(facts),
    ...consoles(facts),
    watchdog(facts),
    element('memballoon', { model: 'virtio' }, element('stats', { period: 10 })),
    rng(facts),
  )
