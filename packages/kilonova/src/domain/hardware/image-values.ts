/** Image properties that have a few values, or are numbers: what else they say is refused when a server is created. Upstream: ImageMetaProps. */
import { refuse } from './wishes.ts'

const BUSES = ['fdc', 'ide', 'sata', 'scsi', 'usb', 'virtio', 'xen', 'lxc', 'uml']

const VALUES: Readonly<Record<string, readonly string[]>> = {
  hw_cdrom_bus: BUSES,
  hw_disk_bus: BUSES,
  hw_floppy_bus: BUSES,
  hw_rescue_bus: BUSES,
  hw_rescue_device: ['cdrom', 'disk', 'floppy', 'fs', 'lun'],
  hw_cpu_policy: ['dedicated', 'shared', 'mixed'],
  hw_cpu_thread_policy: ['prefer', 'isolate', 'require'],
  hw_firmware_type: ['uefi', 'bios'],
  hw_input_bus: ['usb', 'virtio'],
  hw_maxphysaddr_mode: ['passthrough', 'emulate'],
  hw_mem_encryption_model: ['amd-sev', 'amd-sev-es', 'amd-sev-snp'],
  hw_pci_numa_affinity_policy: ['required', 'legacy', 'preferred', 'socket'],
  hw_pointer_model: ['usbtablet'],
  hw_rng_model: ['virtio'],
  hw_scsi_model: ['buslogic', 'ibmvscsi', 'lsilogic', 'lsisas1068', 'lsisas1078', 'virtio-scsi', 'vmpvscsi'],
  hw_sound_model: ['sb16', 'es1370', 'pcspk', 'ac97', 'ich6', 'ich9', 'usb', 'virtio'],
  hw_tpm_model: ['tpm-tis', 'tpm-crb'],
  hw_tpm_version: ['1.2', '2.0'],
  hw_usb_model: ['none', 'nec-xhci', 'qemu-xhci'],
  hw_video_model: ['cirrus', 'qxl', 'vga', 'vmvga', 'xen', 'virtio', 'gop', 'none', 'bochs'],
  hw_vif_model: [
    'virtio',
    'ne2k_pci',
    'pcnet',
    'rtl8139',
    'e1000',
    'e1000e',
    'netfront',
    'spapr-vlan',
    'lan9118',
    'sriov',
    'vmxnet',
    'vmxnet3',
    'igb',
  ],
  hw_viommu_model: ['intel', 'smmuv3', 'virtio', 'auto'],
  hw_vm_mode: ['hvm', 'xen', 'uml', 'exe'],
  hw_watchdog_action: ['none', 'pause', 'poweroff', 'reset', 'disabled'],
  os_secure_boot: ['required', 'disabled', 'optional'],
  os_type: ['linux', 'windows'],
}
const NUMBERS = [
  'hw_cpu_cores',
  'hw_cpu_sockets',
  'hw_cpu_threads',
  'hw_cpu_max_cores',
  'hw_cpu_max_sockets',
  'hw_cpu_max_threads',
  'hw_maxphysaddr_bits',
  'hw_numa_nodes',
  'hw_redirected_usb_ports',
  'hw_serial_port_count',
  'hw_video_ram',
]

/** Errors: BadRequest, in upstream's words. */
export function checkImageValues(properties: Readonly<Record<string, string>>): void {
  const drive = properties['img_config_drive'] ?? 'optional'
  if (drive !== 'optional' && drive !== 'mandatory') throw refuse(`Image's config drive option '${drive}' is invalid`)
  for (const [name, values] of Object.entries(VALUES)) {
    const value = properties[name]
    if (value !== undefined && !values.includes(value))
      throw refuse(`Invalid image metadata. Error: Field value ${value} is invalid`)
  }
  for (const name of NUMBERS) {
    const value = properties[name]
    if (value !== undefined && !/^\s*[+-]?\d+\s*$/.test(value))
      throw refuse(`Invalid image metadata. Error: invalid literal for int() with base 10: '${value}'`)
  }
}
