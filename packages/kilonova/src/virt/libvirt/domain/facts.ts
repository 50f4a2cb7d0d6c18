/** What a guest's XML is made of. */
import type { GuestSpec } from '../../driver.ts'
import type { ConfigDriveFormat } from '../config-drive.ts'
import type { GuestUser } from '../guest-user.ts'

export interface GuestDisk {
  readonly file: string
  /** The cached image it stands on; null: none. Said, so that libvirt looks for nothing that the guest wrote into its disk. */
  readonly base: { readonly file: string; readonly format: 'raw' | 'qcow2' } | null
}

/** `[libvirt]` options that shape guests; Nova's names and meaning. */
export interface GuestOptions {
  /** Undefined: the host's own model with KVM, an old one without. */
  readonly cpuMode?: 'host-model' | 'host-passthrough' | 'custom' | 'maximum' | undefined
  /** Of `custom` the first one. */
  readonly cpuModels: readonly string[]
  /** `+name` or `name` asks for a feature, `-name` takes it away. */
  readonly cpuModelExtraFlags: readonly string[]
  readonly machineType: string
  /** Undefined: `none` where the file system can, else `writeback`. */
  readonly diskCacheMode?: string | undefined
  readonly discard: 'unmap' | 'ignore'
  /** Of a q35 machine; 0: as many as libvirt finds enough. */
  readonly pciePorts: number
  readonly rngDevice: string
  readonly sysinfoSerial: 'unique' | 'none'
}

export const DEFAULT_GUEST_OPTIONS: GuestOptions = {
  cpuModels: [],
  cpuModelExtraFlags: [],
  machineType: 'q35',
  discard: 'unmap',
  pciePorts: 16,
  rngDevice: '/dev/urandom',
  sysinfoSerial: 'unique',
}

export interface DomainFacts {
  readonly spec: GuestSpec
  readonly installationId: string
  /** How the guest's instructions are run: by the processor, or by QEMU itself. */
  readonly accelerator: 'kvm' | 'tcg'
  /** Whom QEMU runs as; libvirt gives it the files that it writes. */
  readonly user: GuestUser
  readonly rootDisk: GuestDisk | null
  /** Of a guest in rescue: what it boots from. */
  readonly rescueDisk: GuestDisk | null
  /** Raw files: ephemeral disks, then swap. */
  readonly localDisks: readonly string[]
  /** `none` where the file system can: the host keeps no second copy of what the guest caches itself. */
  readonly diskCache: 'none' | 'writeback'
  /** As a CD-ROM, or (vfat) as a disk. */
  readonly configDrive: { readonly file: string; readonly format: ConfigDriveFormat } | null
  readonly consoleLog: string
  /** What UEFI keeps of this guest. */
  readonly nvram: string
  /** KiB; null: the machine's own. */
  readonly hugePageKib: number | null
  readonly nics: readonly { readonly mac: string; readonly mtu: number; readonly tap: string }[]
  readonly options: GuestOptions
}
