/** What the guest is booted by: BIOS, or UEFI with a memory of its own beside its disk. Files are those of Debian's package ovmf. */
import { isUefi, secureBoot } from '../../../domain/hardware/firmware.ts'
import { isYes } from '../../../domain/hardware/wishes.ts'
import { isStable } from '../rescue-disks.ts'
import { element, type Xml } from '../xml.ts'
import { isQ35, machineOf, wished, wishesOf } from './choices.ts'
import type { DomainFacts } from './facts.ts'

const OVMF = '/usr/share/OVMF'
export const UEFI_FILES = {
  plain: { code: `${OVMF}/OVMF_CODE_4M.fd`, vars: `${OVMF}/OVMF_VARS_4M.fd` },
  secure: { code: `${OVMF}/OVMF_CODE_4M.ms.fd`, vars: `${OVMF}/OVMF_VARS_4M.ms.fd` },
} as const

/** `optional` gets it where the machine can. */
export function bootsSecurely(facts: DomainFacts): boolean {
  const wishes = wishesOf(facts.spec)
  const wish = secureBoot(wishes)
  return isUefi(wishes) && isQ35(facts) && (wish === 'required' || wish === 'optional')
}

export function os(facts: DomainFacts): Xml {
  const { spec, nvram } = facts
  const secure = bootsSecurely(facts)
  const files = UEFI_FILES[secure ? 'secure' : 'plain']
  const uefi = isUefi(wishesOf(spec))
  return element(
    'os',
    {},
    element('type', { arch: 'x86_64', machine: machineOf(facts) }, 'hvm'),
    uefi && element('loader', { readonly: 'yes', secure: secure ? 'yes' : 'no', type: 'pflash' }, files.code),
    uefi && element('nvram', { template: files.vars }, nvram),
    // In stable device rescue the disk itself says that it is booted from.
    !isStable(spec) && element('boot', { dev: 'hd' }),
    isYes(wished(spec, 'boot_menu')) && element('bootmenu', { enable: 'yes' }),
    element('smbios', { mode: 'sysinfo' }),
  )
}
