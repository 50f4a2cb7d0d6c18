/** Networks, ports and security groups as Neutron writes them, and as we do. Fields of extensions may be missing. */
import type { Network, Port, SecurityGroup } from './neutron.ts'

export interface NetworkBody {
  readonly id: string
  readonly name: string
  readonly mtu?: number
  readonly project_id?: string
  readonly tenant_id?: string
  readonly shared: boolean
  readonly 'router:external'?: boolean
  readonly admin_state_up?: boolean
  readonly subnets?: readonly string[]
  readonly port_security_enabled?: boolean
  readonly tags?: readonly string[]
}
export interface PortBody {
  readonly id: string
  readonly network_id: string
  readonly project_id?: string
  readonly tenant_id?: string
  readonly mac_address: string
  readonly fixed_ips?: readonly { readonly ip_address: string; readonly subnet_id: string }[]
  readonly device_id?: string
  readonly device_owner?: string
  readonly 'binding:host_id'?: string
  readonly 'binding:vif_type'?: string
  readonly status?: string
  readonly admin_state_up?: boolean
  readonly allowed_address_pairs?: readonly { readonly ip_address: string; readonly mac_address?: string }[]
  readonly security_groups?: readonly string[]
  readonly port_security_enabled?: boolean
  readonly tags?: readonly string[]
  readonly description?: string
}
export interface GroupBody {
  readonly id: string
  readonly name: string
  readonly description?: string
  readonly project_id?: string
  readonly stateful?: boolean
  readonly security_group_rules?: readonly {
    readonly id: string
    readonly direction: 'ingress' | 'egress'
    readonly ethertype: string
    readonly protocol: string | null
    readonly port_range_min: number | null
    readonly port_range_max: number | null
    readonly remote_ip_prefix: string | null
    readonly remote_group_id: string | null
    readonly remote_address_group_id?: string | null
  }[]
}
export interface SubnetBody {
  readonly id: string
  readonly network_id: string
  readonly cidr: string
  readonly gateway_ip: string | null
  readonly enable_dhcp: boolean
  readonly dns_nameservers?: readonly string[]
  readonly host_routes?: readonly { readonly destination: string; readonly nexthop: string }[]
  readonly ipv6_ra_mode?: string | null
  readonly ipv6_address_mode?: string | null
}

/** A port that carries our tag in its description, where the service cannot tag at creation. */
const OURS = 'kilonova:'

export const networkOf = (body: NetworkBody): Network => ({
  id: body.id,
  name: body.name,
  mtu: body.mtu ?? 1500,
  projectId: body.project_id ?? body.tenant_id ?? '',
  shared: body.shared,
  external: body['router:external'] ?? false,
  adminUp: body.admin_state_up ?? true,
  subnets: body.subnets ?? [],
  portSecurity: body.port_security_enabled ?? true,
  tags: body.tags ?? [],
})

export const portOf = (body: PortBody): Port => ({
  id: body.id,
  networkId: body.network_id,
  projectId: body.project_id ?? body.tenant_id ?? '',
  mac: body.mac_address,
  fixedIps: (body.fixed_ips ?? []).map(({ ip_address: address, subnet_id: subnetId }) => ({ address, subnetId })),
  deviceId: body.device_id ?? '',
  deviceOwner: body.device_owner ?? '',
  host: body['binding:host_id'] ?? '',
  vifType: body['binding:vif_type'] ?? 'unbound',
  status: body.status ?? '',
  adminUp: body.admin_state_up ?? true,
  allowedPairs: (body.allowed_address_pairs ?? []).map(({ ip_address: address, mac_address: mac }) => ({
    cidr: asPrefix(address),
    mac: (mac ?? body.mac_address).toLowerCase(),
  })),
  securityGroups: body.security_groups ?? [],
  portSecurity: body.port_security_enabled ?? true,
  tags: [...(body.tags ?? []), ...(body.description?.startsWith(OURS) ? [body.description] : [])],
})

export const asPrefix = (address: string): string =>
  address.includes('/') ? address : `${address}/${address.includes(':') ? 128 : 32}`

export const groupOf = (body: GroupBody): SecurityGroup => ({
  id: body.id,
  name: body.name,
  description: body.description ?? '',
  projectId: body.project_id ?? '',
  rules: (body.security_group_rules ?? []).map((rule) => ({
    id: rule.id,
    direction: rule.direction,
    version: rule.ethertype === 'IPv6' ? 6 : 4,
    protocol: rule.protocol,
    portMin: rule.port_range_min,
    portMax: rule.port_range_max,
    remotePrefix: rule.remote_ip_prefix,
    remoteGroupId: rule.remote_group_id,
  })),
})
