/** The guest's network cards, on taps that are there already. */
import { isYes } from '../../../domain/hardware/wishes.ts'
import type { GuestSpec } from '../../driver.ts'
import { element, render, type Xml } from '../xml.ts'
import { chosen, wished } from './choices.ts'
import type { DomainFacts } from './facts.ts'

type Nic = DomainFacts['nics'][number]

function nicElement(spec: GuestSpec, { mac, mtu, tap }: Nic): Xml {
  const type = chosen(spec, 'hw_vif_model')
  const packed = type === 'virtio' && isYes(wished(spec, 'virtio_packed_ring'))
  return element(
    'interface',
    { type: 'ethernet' },
    element('mac', { address: mac }),
    // libvirt must neither make nor remove it.
    element('target', { dev: tap, managed: 'no' }),
    element('model', { type }),
    packed && element('driver', { packed: 'on' }),
    element('mtu', { size: mtu }),
  )
}

export const nics = ({ spec, nics: plugged }: DomainFacts): readonly Xml[] =>
  plugged.map((nic) => nicElement(spec, nic))

/** The card of a port, as a guest that runs is given it. */
export const nicXml = (spec: GuestSpec, nic: Nic): string => render(nicElement(spec, nic))
