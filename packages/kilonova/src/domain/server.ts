/** A server and what belongs to it. The row in the database has exactly these fields, and the password that its guest posted. */
import { resourcesOf, type Flavor, type Resources } from './flavor.ts'
import type { LocalDisks } from './local-disks.ts'
import type { Json } from './json.ts'
import type { PowerState, TaskState, VmState } from './states.ts'

/** One address of a server as users see it; `network` is the network's name at the time the port was made or last refreshed. */
export interface Address {
  readonly network: string
  readonly networkId: string
  readonly portId: string
  readonly address: string
  readonly version: 4 | 6
  readonly mac: string
  /** A router leads it to the address before it. Absent: the port's own. */
  readonly type?: 'floating'
}

/** A network interface asked for at create. `portId` given: the user's own port, kept when the server is deleted. */
export interface RequestedNic {
  readonly networkId?: string
  readonly portId?: string
  readonly fixedIp?: string
  readonly tag?: string
}

/** `contents`: base64 as it was given. */
export interface InjectedFile {
  readonly path: string
  readonly contents: string
}

/** What a server remembers of its image: enough to build its guest again when the image is gone. */
export interface ServerImage {
  readonly id: string
  readonly name: string
  readonly diskFormat: string
  readonly minDiskGb: number
  readonly minRamMb: number
  readonly sizeBytes: number
  /** Of its disk. Null or missing: nobody said. */
  readonly virtualSizeBytes?: number | null | undefined
  readonly properties: Readonly<Record<string, string>>
}

const GIB = 1024 ** 3
/** What the server takes from a host. Without a root disk of the flavor's, its disk is as large as the image. */
export function claimOf({ flavor, image }: Pick<Server, 'flavor' | 'image'>): Resources {
  const plain = resourcesOf(flavor)
  if (flavor.rootGb > 0 || image === null) return plain
  return { ...plain, diskGb: plain.diskGb + Math.ceil(Math.max(image.virtualSizeBytes ?? 0, image.sizeBytes) / GIB) }
}

export interface ServerFault {
  readonly code: number
  readonly message: string
  /** For administrators: the whole chain of causes. */
  readonly details: string
  readonly createdAt: number
}

/** Where a shelved server's disk is, and since when. */
export interface Shelved {
  readonly imageId: string
  readonly at: number
}

/** What a rescued server runs from, and since when. */
export interface Rescued {
  readonly imageId: string
  readonly properties: Readonly<Record<string, string>>
  readonly at: number
}

export interface Server {
  readonly id: string
  readonly name: string
  readonly description: string | null
  readonly hostname: string
  readonly projectId: string
  readonly userId: string
  readonly vmState: VmState
  readonly taskState: TaskState
  readonly powerState: PowerState
  /** The task that owns the server now; only it may write states. */
  readonly taskId: string | null
  /** Grows with each lease of a task of this server; hosts refuse verbs with a lower one. */
  readonly epoch: number
  readonly host: string | null
  readonly hypervisorHostname: string | null
  readonly availabilityZone: string | null
  /** The zone that was asked for: the server stays in it. */
  readonly pinnedZone: string | null
  /** As they were given; a hint that no filter knows has no effect. */
  readonly schedulerHints: { readonly [hint: string]: Json | undefined }
  readonly flavor: Flavor
  readonly image: ServerImage | null
  /** As the request divided what the flavor has; null: as the flavor says. */
  readonly localDisks: LocalDisks | null
  readonly keyName: string | null
  readonly keyType: string | null
  readonly publicKey: string | null
  /** Base64 as it was given. */
  readonly userData: string | null
  /** Files for the guest from its creation (`personality`, up to 2.56). */
  readonly injectedFiles: readonly InjectedFile[]
  /** The roles of who created it: told to vendor data services. */
  readonly bootRoles: readonly string[]
  readonly configDrive: boolean
  readonly metadata: Readonly<Record<string, string>>
  /** Sorted. */
  readonly tags: readonly string[]
  /** The server group it was made in. */
  readonly groupId: string | null
  /** Settled at admission: `auto` has become the network that was chosen, `none` an empty list. */
  readonly requestedNics: readonly RequestedNic[]
  readonly securityGroups: readonly string[]
  readonly addresses: readonly Address[]
  readonly accessIpV4: string | null
  readonly accessIpV6: string | null
  readonly diskConfig: 'AUTO' | 'MANUAL'
  readonly reservationId: string
  readonly launchIndex: number
  readonly rootDeviceName: string | null
  readonly locked: boolean
  /** Whose lock it is: one of its project, or an administrator of another. Null while it is not locked. */
  readonly lockedBy: 'owner' | 'admin' | null
  readonly lockedReason: string | null
  readonly progress: number
  readonly shelved: Shelved | null
  readonly rescue: Rescued | null
  readonly fault: ServerFault | null
  readonly createdAt: number
  readonly updatedAt: number
  readonly launchedAt: number | null
  readonly terminatedAt: number | null
  /** Null while the server lives. */
  readonly deletedAt: number | null
}
