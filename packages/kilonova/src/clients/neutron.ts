/** Networks and ports. Upstream: Neutron v2.0. Calls without a token are made with ours (an administrator of the network service). */
import type { PortFacts } from '../virt/driver.ts'

export interface Network {
  readonly id: string
  readonly name: string
  readonly mtu: number
  readonly projectId: string
  readonly shared: boolean
  readonly subnets: readonly string[]
  readonly portSecurity: boolean
}

export interface Port {
  readonly id: string
  readonly networkId: string
  readonly projectId: string
  readonly mac: string
  readonly fixedIps: readonly { readonly address: string; readonly subnetId: string }[]
  readonly deviceId: string
  readonly deviceOwner: string
  readonly host: string
  readonly status: string
  readonly securityGroups: readonly string[]
  readonly portSecurity: boolean
  readonly tags: readonly string[]
}

export interface NewPort {
  readonly networkId: string
  readonly projectId: string
  readonly serverId: string
  readonly zone: string
  readonly host: string
  /** Written on the port, so that a repeated step finds what it made: `kilonova:<step key>:<index>`. */
  readonly tag: string
  readonly fixedIp?: string
  /** Ids; empty means the project's default group. */
  readonly securityGroups: readonly string[]
  readonly hostname: string
}

export interface Neutron {
  /** Seen with the user's token: undefined when it is not theirs to use. */
  network(id: string, token: string): Promise<Network | undefined>
  /** Networks that the user's project may use when none was named: its own, or else the shared ones. */
  availableNetworks(projectId: string, token: string): Promise<readonly Network[]>
  port(id: string, token?: string): Promise<Port | undefined>
  /** The ids of security groups given by name or id. Errors: NovaError UnknownSecurityGroup. */
  securityGroups(namesOrIds: readonly string[], projectId: string, token: string): Promise<readonly string[]>
  /** Ports whose device is the server. */
  portsOf(serverId: string): Promise<readonly Port[]>
  /** Errors: NovaError ServiceRefused with the network service's words (no address left, quota). */
  createPort(port: NewPort): Promise<Port>
  /** Gives the user's own port to the server. */
  bindPort(id: string, binding: { readonly serverId: string; readonly host: string; readonly zone: string }): Promise<Port>
  /** Takes it back; the port stays. */
  unbindPort(id: string): Promise<void>
  /** Succeeds when it is gone already. */
  deletePort(id: string): Promise<void>
  /** All that a host must know of these ports: networks, subnets and the rules of their groups. */
  facts(ports: readonly Port[], hostname: string): Promise<readonly PortFacts[]>
}
