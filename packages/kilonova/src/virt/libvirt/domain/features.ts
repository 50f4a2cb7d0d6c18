/** What the machine has beside its devices, and its clocks. */
import { isYes } from '../../../domain/hardware/wishes.ts'
import { element, type Xml } from '../xml.ts'
import { wished } from './choices.ts'
import type { DomainFacts } from './facts.ts'
import { bootsSecurely } from './firmware.ts'

const isWindows = ({ spec }: DomainFacts): boolean => spec.imageProperties['os_type'] === 'windows'
const hides = ({ spec: { flavor, imageProperties } }: DomainFacts): boolean =>
  isYes(flavor.extraSpecs['hw:hide_hypervisor_id']) ||
  isYes(flavor.extraSpecs['hide_hypervisor_id']) ||
  isYes(imageProperties['img_hide_hypervisor_id'])

const ENLIGHTENMENTS = ['vapic', 'vpindex', 'runtime', 'synic', 'reset', 'frequencies', 'tlbflush', 'ipi']
const on = { state: 'on' }

/** What Windows makes use of to run faster; KVM alone has it. */
const hyperV = (facts: DomainFacts): Xml =>
  element(
    'hyperv',
    {},
    element('relaxed', on),
    element('spinlocks', { ...on, retries: 8191 }),
    ...ENLIGHTENMENTS.map((name) => element(name, on)),
    hides(facts) && element('vendor_id', { ...on, value: '1234567890ab' }),
  )

export function features(facts: DomainFacts): Xml {
  const pmu = wished(facts.spec, 'pmu')
  const isKvm = facts.accelerator === 'kvm'
  return element(
    'features',
    {},
    element('acpi'),
    element('apic'),
    isKvm && isWindows(facts) && hyperV(facts),
    isKvm && hides(facts) && element('kvm', {}, element('hidden', on)),
    pmu !== undefined && element('pmu', { state: isYes(pmu) ? 'on' : 'off' }),
    bootsSecurely(facts) && element('smm', on),
  )
}

export const clock = (facts: DomainFacts): Xml =>
  element(
    'clock',
    // Windows takes the machine's clock for the wall's.
    { offset: isWindows(facts) ? 'localtime' : 'utc' },
    element('timer', { name: 'pit', tickpolicy: 'delay' }),
    element('timer', { name: 'rtc', tickpolicy: 'catchup' }),
    element('timer', { name: 'hpet', present: isYes(facts.spec.imageProperties['hw_time_hpet']) ? 'yes' : 'no' }),
    facts.accelerator === 'kvm' && element('timer', { name: 'kvmclock', present: 'yes' }),
    facts.accelerator === 'kvm' && isWindows(facts) && element('timer', { name: 'hypervclock', present: 'yes' }),
  )
