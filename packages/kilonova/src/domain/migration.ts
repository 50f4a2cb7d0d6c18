/** A migration: a server's way to another host, or to another flavor. */
export const MIGRATION_TYPES = ['migration', 'resize', 'live-migration', 'evacuation'] as const
export type MigrationType = (typeof MIGRATION_TYPES)[number]

/** Of a live migration that can still be looked at, or stopped. */
export const LIVE_IN_PROGRESS = ['queued', 'preparing', 'running', 'post-migrating'] as const

export interface MigrationProgress {
  readonly memoryTotalBytes: number
  readonly memoryProcessedBytes: number
  readonly memoryRemainingBytes: number
  readonly diskTotalBytes: number
  readonly diskProcessedBytes: number
  readonly diskRemainingBytes: number
}

export interface Migration {
  /** A UUID. */
  readonly id: string
  /** What paths call it by, at all microversions. */
  readonly number: number
  readonly serverId: string
  readonly projectId: string
  readonly userId: string
  readonly type: MigrationType
  /** Upstream's words: `accepted`, `pre-migrating`, `running`, `finished`, … */
  readonly status: string
  readonly sourceHost: string | null
  readonly sourceHypervisor: string | null
  readonly destHost: string | null
  readonly destHypervisor: string | null
  readonly destIp: string | null
  readonly oldFlavorNumber: number | null
  readonly newFlavorNumber: number | null
  readonly progress: MigrationProgress | null
  readonly createdAt: number
  readonly updatedAt: number | null
}
