/** A flavor: the size of a server. A server keeps a copy, so that a changed or deleted flavor does not change it. */
export interface Flavor {
  readonly id: string
  readonly name: string
  readonly vcpus: number
  readonly memoryMb: number
  /** 0: as large as the image. */
  readonly rootGb: number
  readonly ephemeralGb: number
  readonly swapMb: number
  readonly rxtxFactor: number
  readonly isPublic: boolean
  readonly disabled: boolean
  readonly description: string | null
  readonly extraSpecs: Readonly<Record<string, string>>
}

/** What a server of this flavor takes from a host. Swap counts in whole GB, rounded up, as upstream does. */
export const resourcesOf = (flavor: Pick<Flavor, 'vcpus' | 'memoryMb' | 'rootGb' | 'ephemeralGb' | 'swapMb'>) => ({
  vcpus: flavor.vcpus,
  memoryMb: flavor.memoryMb,
  diskGb: flavor.rootGb + flavor.ephemeralGb + Math.ceil(flavor.swapMb / 1024),
})
export type Resources = ReturnType<typeof resourcesOf>
