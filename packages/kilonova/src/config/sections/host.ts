/** What a host does with its guests: `[libvirt]`, `[guest_networks]`. */
import { z } from 'zod'
import { choice, flag, list, optionalText, text, whole } from '../fields.ts'

export const libvirt = z.strictObject({
  device_detach_attempts: whole(8, 'times', 'How often a guest that runs is asked to let go of a device.', { min: 1 }),
  device_detach_timeout: whole(20, 'seconds', 'How long it is waited each time until the guest has let go.', {
    min: 1,
  }),
  virt_type: choice(
    ['auto', 'kvm', 'qemu'],
    'auto',
    'auto boots a tiny guest to find out whether KVM truly works and takes emulation where it does not.',
  ),
  rescue_image_id: optionalText(
    'The image that servers are rescued with when none is asked for; without it their own.',
  ),
  cpu_mode: z
    .enum(['host-model', 'host-passthrough', 'custom', 'maximum'])
    .optional()
    .describe(
      "The processor that guests see. Without it the host's model where KVM runs them, and one that every distribution runs on (Nehalem) where they are emulated.",
    ),
  cpu_models: list([], 'With cpu_mode custom: the model, as libvirt names it. Of several the first.'),
  cpu_model_extra_flags: z
    .array(z.string().regex(/^[+-]?[\w.-]+$/, 'must be names of features, perhaps with + or - before them'))
    .default([])
    .describe('Features that the processor has besides (`+pcid` or `pcid`), or has not (`-vmx`).'),
  hw_machine_type: z
    .array(z.string().regex(/^\w+=[\w.-]+$/, 'must be architecture=machine'))
    .default([])
    .describe('The machine of guests whose image names none, as `x86_64=pc`. Without it q35.'),
  disk_cachemodes: z
    .array(
      z
        .string()
        .regex(
          /^(file|block|network|mount)=(default|none|writethrough|writeback|directsync|unsafe)$/,
          'must be file=mode',
        ),
    )
    .default([])
    .describe(
      'How the host caches disks, as `file=writeback`; disks are files here, other kinds have no effect. Without it none where the file system can, else writeback.',
    ),
  hw_disk_discard: choice(
    ['unmap', 'ignore'],
    'unmap',
    'Whether what guests discard becomes free space of the host. Upstream leaves it to QEMU.',
  ),
  num_pcie_ports: whole(
    16,
    'ports',
    'PCIe ports of a q35 guest: what is plugged in while it runs needs a free one. 0: as many as libvirt finds enough. Upstream: 0.',
    { max: 28 },
  ),
  rng_dev_path: text('/dev/urandom', "Where guests' random numbers come from."),
  sysinfo_serial: choice(
    ['unique', 'none'],
    'unique',
    "The serial number that a guest's firmware tells: the server's id, or none.",
  ),
})

export const guest_networks = z.strictObject({
  reach_beyond_host: flag(
    false,
    'Guests of external networks (also over a router) and of networks that the host routes reach what the host reaches, under its addresses; the host then forwards packets (net.ipv4.ip_forward). They reach nothing that the host itself serves.',
  ),
})
