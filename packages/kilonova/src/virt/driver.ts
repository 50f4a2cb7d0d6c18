/**
 * What a hypervisor must do for us. Every verb may be repeated: it finds out what is already so and does the rest.
 * A verb that removes succeeds when there is nothing left to remove. Optional capabilities are typed members that may be absent.
 */
import type { Duplex } from 'node:stream'
import type { ConsoleKind } from '../domain/console.ts'
import type { Diagnostics, PasswordOutcome } from '../domain/diagnostics.ts'
import type { NicQuota } from '../domain/hardware/nic-quota.ts'
import type { GuestState, HostReport } from '../domain/host.ts'
import type { LocalDisks } from '../domain/local-disks.ts'
import type { PowerState } from '../domain/states.ts'

/** Leave to fetch one image for one task: where, and what must arrive. */
export interface ImageTicket {
  readonly imageId: string
  /** Good for this image and this task alone; needs no other credential. */
  readonly url: string
  readonly diskFormat: string
  readonly sizeBytes: number
  /** The content's hash; the cache is by content, and what arrives is checked against it. */
  readonly hashAlgorithm: string
  readonly hash: string
}

/** Leave to give one image its content, for one task. */
export type UploadTicket = Pick<ImageTicket, 'imageId' | 'url'>

/** What the host must know of a port. Addresses in text form, CIDRs with their prefix length. (A type, not an interface: it is journalled as JSON.) */
export type PortFacts = {
  readonly portId: string
  readonly networkId: string
  readonly networkName: string
  readonly mac: string
  readonly mtu: number
  /** Whose port it is: said to the metadata service with each request. */
  readonly projectId?: string | undefined
  /** As Neutron bound it (`ovs`, `bridge`): told to the guest. */
  readonly vifType?: string | undefined
  /** What the user called the interface: told to the guest. */
  readonly tag?: string | undefined
  /** How fast its flavor lets it be; undefined: as fast as can be. */
  readonly quota?: NicQuota | undefined
  readonly fixedIps: readonly { readonly address: string; readonly subnetId: string }[]
  readonly subnets: readonly {
    readonly id: string
    readonly cidr: string
    readonly gateway: string | null
    readonly dhcp: boolean
    readonly dnsServers: readonly string[]
    readonly hostRoutes: readonly { readonly destination: string; readonly nexthop: string }[]
    /** Reachable from the host itself. */
    readonly routed: boolean
    /** Who tells guests of version 6 their prefix: null, nobody of ours. */
    readonly raMode: Ipv6Mode | null
    /** How guests of version 6 get their address; null: Neutron does not say. */
    readonly addressMode: Ipv6Mode | null
  }[]
  readonly portSecurity: boolean
  /** Down: nothing passes. */
  readonly adminUp: boolean
  /** What the port may send from beside its own addresses, and be reached at. `cidr` has its prefix length. */
  readonly allowedPairs: readonly { readonly cidr: string; readonly mac: string }[]
  /** Flattened rules of the port's security groups; an empty list lets nothing in and nothing out. */
  readonly rules: readonly SecurityRule[]
  readonly hostname: string
}

/** A router as a host has it: the same on each host, but for the floating IPs, which are those of the host's own ports. */
export type RouterFacts = {
  readonly routerId: string
  readonly interfaces: readonly RouterPort[]
  /** Where it leads out; null: nowhere. */
  readonly gateway: RouterGateway | null
  readonly routes: readonly { readonly destination: string; readonly nexthop: string }[]
  /** Each leads to an address behind an interface, and is what that address goes out as. */
  readonly floatingIps: readonly { readonly address: string; readonly fixedAddress: string }[]
}

export type RouterPort = {
  readonly portId: string
  readonly networkId: string
  readonly mac: string
  readonly mtu: number
  readonly fixedIps: PortFacts['fixedIps']
  /** Of an interface those that it has an address in, of a gateway all of its network. */
  readonly subnets: PortFacts['subnets']
}

/** `snat`: what has no floating IP goes out as the gateway's address; otherwise it goes out as it is. */
export type RouterGateway = RouterPort & { readonly snat: boolean }

export type Ipv6Mode = 'slaac' | 'dhcpv6-stateful' | 'dhcpv6-stateless'

export type SecurityRule = {
  readonly direction: 'ingress' | 'egress'
  readonly version: 4 | 6
  /** null: any. Names or numbers as Neutron gives them. */
  readonly protocol: string | null
  /** Of ICMP the type, `portMax` the code. */
  readonly portMin: number | null
  readonly portMax: number | null
  /** Peer prefixes (a remote group is given as its members' addresses); empty: any. */
  readonly remotes: readonly string[]
  /** False: answers pass only where a rule of their own lets them. Neutron gives a port groups of one kind. */
  readonly stateful: boolean
}

/** All that is needed to make or remake a guest; nothing is looked up anywhere else. */
export interface GuestSpec {
  readonly serverId: string
  readonly name: string
  readonly projectId: string
  readonly userId: string
  readonly flavor: {
    readonly id: string
    readonly name: string
    readonly vcpus: number
    readonly memoryMb: number
    readonly rootGb: number
    readonly extraSpecs: Readonly<Record<string, string>>
  }
  readonly imageId: string | null
  readonly imageProperties: Readonly<Record<string, string>>
  readonly ports: readonly PortFacts[]
  readonly configDrive: boolean
  /** Made by `createDisk`. */
  readonly localDisks?: LocalDisks | undefined
  /** It boots from its rescue disk, and its own is a second one. */
  readonly rescue?: { readonly imageProperties: Readonly<Record<string, string>> } | undefined
}

export interface DiskSpec {
  readonly serverId: string
  /** The cached image it starts from. */
  readonly image: Pick<ImageTicket, 'imageId' | 'diskFormat' | 'hash' | 'hashAlgorithm'>
  /** 0: as large as the image. */
  readonly rootGb: number
  /** Made with it. */
  readonly local?: LocalDisks | undefined
  /** `os_type` of the image: what an ephemeral disk is formatted for. */
  readonly osType?: string | undefined
}

export interface ConfigDriveSpec {
  readonly serverId: string
  /** Path inside the drive (`openstack/latest/meta_data.json`) to content in base64. */
  readonly files: Readonly<Record<string, string>>
}

/** `address` as the guest's kernel writes it: `0000:01:00.0`. */
export interface GuestNic {
  readonly mac: string
  readonly bus: 'pci'
  readonly address: string
}

export interface PowerChange {
  readonly serverId: string
  readonly powerState: PowerState
  /** `started`, `stopped`, `shutdown`, `crashed`, `paused`, `resumed`, `suspended`. */
  readonly event: string
}

export interface Driver {
  readonly kind: 'libvirt' | 'fake'
  /** Measures the host. */
  report(): Promise<HostReport>
  /** The guests of this installation that are on this host, running or not. */
  guests(): Promise<readonly GuestState[]>
  /** Tells of power changes as they happen; returns a function that stops it. */
  onPowerChange(listener: (change: PowerChange) => void): () => void

  /** Brings an image into the cache; many waiting servers share one download. Long: reports percent, stops on the signal. */
  fetchImage(ticket: ImageTicket, progress: (percent: number) => void, signal: AbortSignal): Promise<void>
  /** Removes cached images that no disk of this host uses and nobody asked for in the last seconds; answers how many. */
  removeUnusedImages(minimumAgeSeconds: number): Promise<number>
  /** Makes the root disk over the cached image, and the empty disks beside it. Errors: the image is not cached; larger than `rootGb`. */
  createDisk(spec: DiskSpec): Promise<void>
  createConfigDrive(spec: ConfigDriveSpec): Promise<void>
  /** The server has a root disk, and the cached image that it stands on is gone: it must be fetched again. */
  missesBase(serverId: string): Promise<boolean>
  /**
   * Copies the root disk as it is at one moment into a qcow2 file that stands on no other; a guest that runs goes on meanwhile. `snapshotId`
   * names the file. Long. Errors: DiskMissing, DiskFull.
   */
  snapshot(
    serverId: string,
    snapshotId: string,
    progress: (percent: number) => void,
    signal: AbortSignal,
  ): Promise<void>
  /** Sends a snapshot to the image that the ticket is for. Long. Errors: SnapshotMissing, ImageRefused. */
  uploadSnapshot(
    serverId: string,
    snapshotId: string,
    ticket: UploadTicket,
    progress: (percent: number) => void,
    signal: AbortSignal,
  ): Promise<void>
  /** Gives up making it, where it is being made, and removes the file. */
  removeSnapshot(serverId: string, snapshotId: string): Promise<void>
  /** Moves root disk and config drive out of the way of new ones; what is aside already stays. The guest does not run. */
  setDisksAside(serverId: string): Promise<void>
  /** Puts them back in place of the new ones. */
  takeDisksBack(serverId: string): Promise<void>
  dropDisksAside(serverId: string): Promise<void>
  /** The disk that a rescued guest boots from, over the cached image. Errors as of `createDisk`. */
  createRescueDisk(spec: DiskSpec): Promise<void>
  removeRescueDisk(serverId: string): Promise<void>
  /** Removes every file of the server. */
  removeFiles(serverId: string): Promise<void>

  /** Makes the host side of the ports: network namespace, DHCP, filters, taps. */
  plug(serverId: string, ports: readonly PortFacts[]): Promise<void>
  /** Removes the server's ports, and a network's namespace with its last port. */
  unplug(serverId: string): Promise<void>
  /**
   * Newer facts of ports that may be plugged here; others are passed over. Their quotas stay: who reads ports in bulk knows no flavor. Each network's packet filter is replaced at once, and
   * connections that the new rules do not allow end. May be repeated; of two that overlap, the later one counts.
   */
  refreshPorts(ports: readonly PortFacts[]): Promise<void>
  /**
   * All routers that this host is to know; those it knew and that are not among them go. A router is made while one of its interfaces'
   * networks has a port plugged here. May be repeated; what it says is kept over restarts. Connections of a floating IP that leads elsewhere now, end.
   */
  applyRouters(routers: readonly RouterFacts[]): Promise<void>

  /**
   * Plugs all of the spec's ports, and gives the guest the card of this one of them: at once where it runs or is paused, otherwise when it
   * starts. Errors: HypervisorRefused, also where the guest has no slot left.
   */
  plugNic(spec: GuestSpec, portId: string): Promise<void>
  /**
   * Takes the card of this port away, and plugs the ports of the spec alone, which are those that stay. A guest that runs is asked for it,
   * again and again, and must let go. Long: stopped by the signal. Errors: NicNotReleased; then the guest has it as before.
   */
  unplugNic(spec: GuestSpec, portId: string, signal: AbortSignal): Promise<void>

  /** Defines the guest if needed and makes it run; one that was suspended goes on where it was. */
  start(spec: GuestSpec): Promise<void>
  /** Stops the guest's processors; its memory stays where it is. Errors: GuestNotRunning. */
  pause(serverId: string): Promise<void>
  /** Lets a paused guest go on. Errors: GuestNotRunning. */
  unpause(serverId: string): Promise<void>
  /**
   * Writes the guest's memory to the host's disk and takes its power: its power state is `shutdown`, and the next start goes on from
   * there. Long: reports percent; stopped by the signal, the guest runs on. Errors: GuestNotRunning.
   */
  suspend(serverId: string, progress: (percent: number) => void, signal: AbortSignal): Promise<void>
  /** Asks the guest to shut down (ACPI) and returns at once; the power change tells when it did. */
  shutdown(serverId: string): Promise<void>
  /** Takes the power away, and the memory that was kept of a suspended guest; the guest stays defined. */
  powerOff(serverId: string): Promise<void>
  /** Takes the power away and forgets the guest with the memory that was kept of it; files and ports stay. */
  destroy(serverId: string): Promise<void>
  /** `nostate` when there is no such guest. */
  powerState(serverId: string): Promise<PowerState>
  /** Raises a non-maskable interrupt: what the guest makes of it is its own affair. False: it does not run. */
  injectNmi(serverId: string): Promise<boolean>
  /** Asks the guest's agent to set a password of one of its users. */
  setPassword(serverId: string, user: string, password: string): Promise<PasswordOutcome>
  /** Undefined when there is no such guest. */
  diagnostics(serverId: string): Promise<Diagnostics | undefined>
  /** Where the guest's network cards are on its buses; empty when there is no such guest. */
  guestNics(serverId: string): Promise<readonly GuestNic[]>
  /** The last bytes of the serial console; empty when there is none yet. */
  consoleOutput(serverId: string, maxBytes: number): Promise<string>
  /** Which consoles the guest has that can be opened now; empty when it does not run. */
  consoles(serverId: string): Promise<readonly ConsoleKind[]>
  /**
   * A connection to one: RFB without a password, or the serial line's bytes. It ends when the guest does. A serial line has one
   * at a time: a second waits until the first ends. Errors: ConsoleUnavailable.
   */
  openConsole(serverId: string, kind: ConsoleKind): Promise<Duplex>
  close(): Promise<void>
}
