/** The guest as libvirt wants to read it. Pure: the same facts give the same text, kept in golden/. What it is made of is in domain/, a file per concern. */
import { cpu } from './domain/cpu.ts'
import { devices } from './domain/devices.ts'
import type { DomainFacts } from './domain/facts.ts'
import { clock, features } from './domain/features.ts'
import { os } from './domain/firmware.ts'
import { memoryBacking } from './domain/memory.ts'
import { domainName, METADATA_NAMESPACE } from './names.ts'
import { element, render, type Xml } from './xml.ts'

export function domainXml(facts: DomainFacts): string {
  const { spec, accelerator, installationId } = facts
  const { vcpus, memoryMb } = spec.flavor
  return render(
    element(
      'domain',
      { type: accelerator === 'kvm' ? 'kvm' : 'qemu' },
      element('name', {}, domainName(installationId, spec.serverId)),
      element('uuid', {}, spec.serverId),
      metadata(facts),
      element('memory', { unit: 'MiB' }, memoryMb),
      element('currentMemory', { unit: 'MiB' }, memoryMb),
      memoryBacking(facts),
      element('vcpu', { placement: 'static' }, vcpus),
      element('sysinfo', { type: 'smbios' }, smbios(facts)),
      os(facts),
      features(facts),
      cpu(facts),
      clock(facts),
      element('on_poweroff', {}, 'destroy'),
      element('on_reboot', {}, 'restart'),
      element('on_crash', {}, 'destroy'),
      devices(facts),
      element(
        'seclabel',
        { type: 'static', model: 'dac', relabel: 'yes' },
        element('label', {}, `+${facts.user.uid}:+${facts.user.gid}`),
      ),
    ),
  )
}

const metadata = ({ spec, installationId }: DomainFacts): Xml =>
  element(
    'metadata',
    {},
    element(
      'kilonova:server',
      { 'xmlns:kilonova': METADATA_NAMESPACE },
      element('kilonova:installation', {}, installationId),
      element('kilonova:name', {}, spec.name),
      element('kilonova:flavor', { id: spec.flavor.id }, spec.flavor.name),
      element('kilonova:owner', { project: spec.projectId, user: spec.userId }),
      spec.imageId !== null && element('kilonova:image', { id: spec.imageId }),
    ),
  )

const smbios = ({ spec, options }: DomainFacts): Xml =>
  element(
    'system',
    {},
    ...Object.entries({
      manufacturer: 'Kilonova',
      // cloud-init knows by this name that the metadata service is worth asking.
      product: 'OpenStack Nova',
      ...(options.sysinfoSerial === 'unique' ? { serial: spec.serverId } : {}),
      uuid: spec.serverId,
      family: 'Virtual Machine',
    }).map(([name, value]) => element('entry', { name }, value)),
  )
