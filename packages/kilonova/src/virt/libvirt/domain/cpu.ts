/** The guest's processors. */
import { cpuTopology } from '../../../domain/hardware/cpu-topology.ts'
import { element, type Xml } from '../xml.ts'
import { wishesOf } from './choices.ts'
import type { DomainFacts } from './facts.ts'

/** What costs least to emulate, and every distribution runs on it. */
const EMULATED = 'Nehalem'

/** With KVM the host's own model. TCG emulates what it is asked for. */
export function cpu({ spec, accelerator, options }: DomainFacts): Xml {
  const topology = element('topology', { ...cpuTopology(wishesOf(spec)) })
  const features = options.cpuModelExtraFlags.map((flag) =>
    element('feature', {
      policy: flag.startsWith('-') ? 'disable' : 'require',
      name: flag.replace(/^[+-]/, '').toLowerCase(),
    }),
  )
  const mode = options.cpuMode ?? (accelerator === 'kvm' ? 'host-model' : 'custom')
  if (mode !== 'custom')
    return element('cpu', { mode, check: mode === 'host-model' ? 'partial' : 'none' }, topology, ...features)
  return element(
    'cpu',
    { mode, match: 'exact', check: 'none' },
    element('model', { fallback: 'allow' }, options.cpuModels[0] ?? EMULATED),
    topology,
    ...features,
  )
}
