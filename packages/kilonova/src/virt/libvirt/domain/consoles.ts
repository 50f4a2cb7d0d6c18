/** How people reach the guest: serial lines, screen, pointer, sound, and its agent. */
import { hasAgent } from '../../../domain/image-properties.ts'
import { serialPorts, videoRamMb } from '../../../domain/hardware/check.ts'
import { serialSocketPath } from '../console-sockets.ts'
import { element, type Xml } from '../xml.ts'
import { chosen, wished, wishesOf } from './choices.ts'
import type { DomainFacts } from './facts.ts'

const KIB_PER_MIB = 1024

/** The first is the console that is logged and can be opened; what is written to the others nobody reads. */
function serialLines({ spec, consoleLog }: DomainFacts): readonly Xml[] {
  const line = element('source', { mode: 'bind', path: serialSocketPath(spec.serverId) })
  const log = element('log', { file: consoleLog, append: 'on' })
  const more = Array.from({ length: serialPorts(wishesOf(spec)) - 1 }, (_, index) =>
    element('serial', { type: 'null' }, element('target', { type: 'isa-serial', port: index + 1 })),
  )
  return [
    element('serial', { type: 'unix' }, line, log, element('target', { type: 'isa-serial', port: 0 })),
    ...more,
    element('console', { type: 'unix' }, line, log, element('target', { type: 'serial', port: 0 })),
  ]
}

const SOUND_CARDS: readonly string[] = ['sb16', 'es1370', 'pcspk', 'ac97', 'ich6', 'ich9', 'usb']

export function consoles(facts: DomainFacts): readonly (Xml | false)[] {
  const { spec } = facts
  const ramMb = videoRamMb(wishesOf(spec))
  const sound = wished(spec, 'sound_model')
  return [
    ...serialLines(facts),
    hasAgent(spec.imageProperties) &&
      element('channel', { type: 'unix' }, element('target', { type: 'virtio', name: 'org.qemu.guest_agent.0' })),
    element('input', { type: 'tablet', bus: chosen(spec, 'hw_input_bus') }),
    chosen(spec, 'hw_input_bus') === 'virtio' && element('input', { type: 'keyboard', bus: 'virtio' }),
    // A socket of its own, which libvirt makes and only root opens: ports would be shared with every other libvirtd of the machine.
    element('graphics', { type: 'vnc' }, element('listen', { type: 'socket' })),
    element(
      'video',
      {},
      element('model', {
        type: chosen(spec, 'hw_video_model'),
        vram: ramMb === undefined ? undefined : ramMb * KIB_PER_MIB,
      }),
    ),
    sound !== undefined && SOUND_CARDS.includes(sound) && element('sound', { model: sound }),
  ]
}
