/** `ImagePropertiesFilter`: the host can run what the image says it needs: architecture, hypervisor type, mode. */
import type { HostFilter } from '../host-state.ts'

/** Names that mean the same, as images and hypervisors spell them. */
const CANONICAL: Readonly<Record<string, string>> = {
  amd64: 'x86_64',
  x64: 'x86_64',
  arm64: 'aarch64',
  qemu: 'kvm',
  'kvm/qemu': 'kvm',
}
const canonical = (word: string): string => CANONICAL[word.toLowerCase()] ?? word.toLowerCase()

export const imageProperties: HostFilter = (
  { supportedInstances },
  { imageProperties: image },
  { defaultArchitecture },
) => {
  const wanted = [
    image['hw_architecture'] ?? image['architecture'] ?? defaultArchitecture,
    image['img_hv_type'] ?? image['hypervisor_type'],
    image['hw_vm_mode'] ?? image['vm_mode'],
  ]
  if (wanted.every((word) => !word)) return undefined
  const fits = supportedInstances.some((tuple) =>
    wanted.every((word, index) => !word || canonical(word) === canonical(tuple[index] ?? '')),
  )
  return fits ? undefined : `cannot run ${wanted.filter(Boolean).join(' ')}`
}
