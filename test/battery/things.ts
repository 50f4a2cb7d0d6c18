/** What the battery's world is asked for and what is counted in it; and its one image. */
import type { Glance } from '@kilonova/kilonova/clients/glance.ts'

const IMAGE_ID = '0b0e5a8e-6c8e-4c52-9d0e-000000000001'
export const image = {
  id: IMAGE_ID,
  name: 'demo',
  diskFormat: 'qcow2',
  minDiskGb: 0,
  minRamMb: 0,
  sizeBytes: 1_000_000,
  properties: {},
}
export const glance: Glance = {
  show: async (id) =>
    id === IMAGE_ID
      ? {
          ...image,
          status: 'active',
          containerFormat: 'bare',
          virtualSizeBytes: null,
          hashAlgorithm: 'sha512',
          hash: 'abc',
        }
      : undefined,
  download: async () => undefined,
}
/** Everything that a server may leave behind, counted where it is, and what its row says. */
export interface Counts {
  readonly guests: readonly string[]
  readonly disks: number
  readonly configDrives: number
  /** Memories of suspended guests. */
  readonly memories: number
  readonly plugged: number
  readonly ports: number
  readonly boundPorts: number
  readonly allocations: number
  readonly owed: number
  readonly unfinished: number
  readonly held: number
}
export interface Standing {
  readonly vmState: string
  readonly taskState: string | null
  readonly powerState: string
  readonly placed: boolean
}

export interface Asked {
  readonly serverId: string
  readonly taskId: string
}
