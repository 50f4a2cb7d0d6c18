/** What the steps of our actions may reach, and how an action is asked for on the wire. Interfaces only: tests pass fakes. */
import { z } from 'zod'
import type { Clock } from '@kilonova/base/clock.ts'
import type { Glance } from '../clients/glance.ts'
import type { Neutron } from '../clients/neutron.ts'
import type { VendorData } from '../clients/vendor-data.ts'
import type { Microversion, VersionTable } from '../domain/microversion.ts'
import type { RebuiltServer } from '../db/server-columns.ts'
import type { Address, RequestedNic, Rescued, Server, Shelved } from '../domain/server.ts'
import type { PowerState } from '../domain/states.ts'
import type { Placement, PlaceRequest } from '../rpc/scheduler.ts'
import type { ConfigDriveSpec, DiskSpec, GuestSpec, ImageTicket, PortFacts, UploadTicket } from '../virt/driver.ts'
import { actionsWith, type AnyAction } from '../task/action.ts'
import type { Amounts } from './quota.ts'

/** A host's verbs for one server, fenced by the task's epoch. Removals on a host that is down are owed, and the step goes on. */
export interface HostVerbs {
  fetchImage(ticket: ImageTicket): Promise<void>
  createDisk(disk: DiskSpec): Promise<void>
  createConfigDrive(spec: ConfigDriveSpec): Promise<void>
  missesBase(): Promise<boolean>
  snapshot(snapshotId: string): Promise<void>
  uploadSnapshot(snapshotId: string, ticket: UploadTicket): Promise<void>
  removeSnapshot(snapshotId: string): Promise<void>
  /** For what makes new disks and may have to take the old ones back. */
  setDisksAside(): Promise<void>
  takeDisksBack(): Promise<void>
  dropDisksAside(): Promise<void>
  createRescueDisk(disk: DiskSpec): Promise<void>
  removeRescueDisk(): Promise<void>
  removeFiles(): Promise<void>
  plug(ports: readonly PortFacts[]): Promise<void>
  unplug(): Promise<void>
  /** Gives the guest the card of this one of its ports. */
  plugNic(guest: GuestSpec, portId: string): Promise<void>
  /** Takes the card of a port away that is not among its ports any more. */
  unplugNic(guest: GuestSpec, portId: string): Promise<void>
  start(guest: GuestSpec): Promise<void>
  pause(): Promise<void>
  unpause(): Promise<void>
  suspend(): Promise<void>
  shutdown(): Promise<void>
  powerOff(): Promise<void>
  /** As powerOff, but owed by a host that is down: for a server that nobody wants now. */
  switchOff(): Promise<void>
  destroy(): Promise<void>
  /** As destroy, but never owed: for a guest that is made anew right after. */
  destroyNow(): Promise<void>
  powerState(): Promise<PowerState>
}

export interface Place {
  readonly host: string
  readonly hypervisorHostname: string
  readonly availabilityZone: string
}

export interface GuestData {
  readonly vendorData: VendorData
  /** Stands behind host names; empty: nothing does. */
  readonly dhcpDomain: string
  /** Versions of EC2 that config drives leave out. */
  readonly skippedVersions: readonly string[]
}

export interface Reach {
  readonly requestId: string
  readonly clock: Clock
  readonly hostAt: (host: string) => HostVerbs
  /** Claims are made and given back for this task alone: once it is over, what it asked for is refused. */
  readonly scheduler: {
    place(request: Omit<PlaceRequest, 'task'>): Promise<Placement>
    release(request: { readonly consumerId: string }): Promise<null>
    /** Whether the host can run such an image: null, or why not. */
    mayRun(request: {
      readonly host: string
      readonly imageProperties: Readonly<Record<string, string>>
      readonly extraSpecs: Readonly<Record<string, string>>
    }): Promise<string | null>
  }
  readonly neutron: Neutron
  readonly glance: Glance
  /** Leave for a host to fetch this image during this task. Errors: BuildAborted when the image is gone. */
  readonly imageTicket: (imageId: string) => Promise<ImageTicket>
  /** Leave for a host to give this image its content during this task. */
  readonly uploadTicket: (imageId: string) => UploadTicket
  /** Columns of the server's row other than its states. */
  readonly rows: {
    place(place: Place | null): Promise<void>
    addresses(addresses: readonly Address[]): Promise<void>
    nics(nics: readonly RequestedNic[]): Promise<void>
    rebuilt(server: RebuiltServer): Promise<void>
    rescue(rescue: Rescued | null): Promise<void>
    shelved(shelved: Shelved | null): Promise<void>
    pinnedZone(zone: string | null): Promise<void>
  }
  /** What config drives say beside what the server's record does. */
  readonly guestData: GuestData
  readonly options: { readonly shutdownTimeoutSeconds: number; readonly softRebootTimeoutSeconds: number }
}

export const action = actionsWith<Reach>()

/** An action as the registry holds it. */
export type ServerAction = AnyAction<Reach> & {
  /** How `POST /servers/{id}/action` asks for it; absent for create and delete, which have methods of their own. */
  readonly wire?: Wire
  /** What of its owner's quota it takes beside what is counted already: asked for in the admitting transaction. */
  readonly takes?: (server: Server) => Amounts
}
export interface Wire {
  readonly key: string
  readonly status: number
  /** The schema of the value under the key; a table holds from each version until the next entry, and before the first there is no such action. */
  readonly value: ValueSchema | VersionTable<ValueSchema>
  /** Up to and with this microversion. */
  readonly until?: Microversion
  /** Where the key has a rule of its own. */
  readonly policy?: string
}
export interface ValueSchema {
  parse(value: unknown): unknown
}
/** Upstream takes whatever stands under the key, and looks at none of it. */
export const anything = z.unknown().transform(() => null)

export const onWire = <A extends AnyAction<Reach>>(wire: Wire, a: A): A & { readonly wire: Wire } => ({ ...a, wire })
