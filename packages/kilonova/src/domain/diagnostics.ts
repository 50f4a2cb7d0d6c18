/** What a host says of a guest's inside. */
import type { PowerState } from './states.ts'

/** What a guest has used and done since it was started; null: not known. An empty list where the guest does not run. */
export interface Diagnostics {
  readonly powerState: PowerState
  /** `kvm`, `qemu`, `fake`. */
  readonly hypervisor: string
  readonly memoryMaximumKib: number
  readonly memoryUsedKib: number
  /** What the balloon tells, by libvirt's names without `memory-`. */
  readonly memoryDetails: Readonly<Record<string, number>>
  /** Processor time in nanoseconds. */
  readonly cpus: readonly { readonly id: number; readonly timeNs: number }[]
  readonly disks: readonly {
    readonly name: string
    readonly readBytes: number
    readonly readRequests: number
    readonly writeBytes: number
    readonly writeRequests: number
  }[]
  /** `name` is that of its end on the host; counts are the guest's: what it received and sent. */
  readonly nics: readonly {
    readonly name: string
    readonly mac: string
    readonly rxBytes: number
    readonly rxPackets: number
    readonly rxErrors: number
    readonly rxDropped: number
    readonly txBytes: number
    readonly txPackets: number
    readonly txErrors: number
    readonly txDropped: number
  }[]
}

/** `noAgent`: nobody in the guest listens. */
export type PasswordOutcome = 'set' | 'notRunning' | 'noAgent' | 'refused'
