/** How networks, subnets, ports and security groups look on the wire. What concerns hosts is shown to admins and services only. */
import { isoSeconds } from '@kilonova/base/clock.ts'
import { privileged, type Caller } from '../openstack/caller.ts'
import { fromJson, strings } from '../openstack/json-column.ts'
import { textOfKey } from './address.ts'
import type { Network, Subnet } from './store/networks.ts'
import type { Port } from './store/ports.ts'
import type { FloatingIp } from './store/floating-ips.ts'
import type { Router } from './store/routers.ts'
import { normalizedCidr, type Rule, type SecurityGroup } from './store/security-groups.ts'

/** There is one. */
export const ZONE = 'nova'

type View = Readonly<Record<string, unknown>>

interface Standard {
  readonly id: string
  readonly project_id: string
  readonly description: string
  readonly created_at: number
  readonly updated_at: number
  readonly revision: number
}

const standard = (row: Standard) => ({
  id: row.id,
  project_id: row.project_id,
  tenant_id: row.project_id,
  description: row.description,
  created_at: isoSeconds(row.created_at),
  updated_at: isoSeconds(row.updated_at),
  revision_number: row.revision,
})

export const networkView = (row: Network, caller: Caller): View => ({
  ...standard(row),
  name: row.name,
  admin_state_up: row.admin_state_up === 1,
  status: 'ACTIVE',
  subnets: strings(row.subnet_ids),
  shared: row.shared === 1,
  'router:external': row.external === 1,
  is_default: row.is_default === 1,
  mtu: row.mtu,
  port_security_enabled: row.port_security_enabled === 1,
  dns_domain: row.dns_domain,
  availability_zone_hints: fromJson(row.zone_hints),
  availability_zones: [ZONE],
  ipv4_address_scope: null,
  ipv6_address_scope: null,
  tags: strings(row.tags),
  ...(caller.admin || caller.service
    ? {
        'provider:network_type': row.provider_type,
        'provider:physical_network': row.provider_physical,
        'provider:segmentation_id': row.provider_segment,
      }
    : {}),
})

export const subnetView = (row: Subnet): View => ({
  ...standard(row),
  name: row.name,
  network_id: row.network_id,
  ip_version: row.ip_version,
  cidr: row.cidr,
  gateway_ip: row.gateway_ip,
  enable_dhcp: row.enable_dhcp === 1,
  allocation_pools: fromJson(row.allocation_pools),
  dns_nameservers: fromJson(row.dns_nameservers),
  host_routes: fromJson(row.host_routes),
  ipv6_ra_mode: row.ipv6_ra_mode,
  ipv6_address_mode: row.ipv6_address_mode,
  subnetpool_id: null,
  segment_id: null,
  service_types: [],
  dns_publish_fixed_ip: false,
  tags: strings(row.tags),
})

/** Neutron's own, where no DNS service is. */
const DNS_DOMAIN = 'openstacklocal.'

const addressesView = (json: string) =>
  (JSON.parse(json) as { subnet_id: string; address: string }[]).map(({ subnet_id: subnetId, address }) => ({
    subnet_id: subnetId,
    ip_address: textOfKey(address),
  }))

export const portView = (row: Port, caller: Caller): View => ({
  ...standard(row),
  name: row.name,
  network_id: row.network_id,
  mac_address: row.mac_address,
  admin_state_up: row.admin_state_up === 1,
  status: row.shown_status,
  device_id: row.device_id,
  device_owner: row.device_owner,
  fixed_ips: addressesView(row.fixed_ips),
  security_groups: strings(row.group_ids),
  port_security_enabled: row.port_security_enabled === 1,
  allowed_address_pairs: fromJson(row.allowed_address_pairs),
  extra_dhcp_opts: fromJson(row.extra_dhcp_opts),
  dns_name: row.dns_name,
  dns_assignment: addressesView(row.fixed_ips).map(({ ip_address: address }) => {
    const hostname = row.dns_name || `host-${address.replaceAll(/[.:]/g, '-')}`
    return { hostname, ip_address: address, fqdn: `${hostname.replace(/\.$/, '')}.${DNS_DOMAIN}` }
  }),
  qos_policy_id: null,
  tags: strings(row.tags),
  'binding:vnic_type': row.vnic_type,
  ...(privileged(caller)
    ? {
        'binding:host_id': row.host_id,
        'binding:vif_type': row.host_id === '' ? 'unbound' : 'bridge',
        'binding:vif_details': row.host_id === '' ? {} : { port_filter: true, connectivity: 'l2' },
        'binding:profile': fromJson(row.profile),
      }
    : {}),
})

export const ruleView = (row: Rule): View => ({
  ...standard(row),
  security_group_id: row.security_group_id,
  direction: row.direction,
  ethertype: row.ethertype,
  protocol: row.protocol,
  port_range_min: row.port_range_min,
  port_range_max: row.port_range_max,
  remote_ip_prefix: row.remote_ip_prefix,
  remote_group_id: row.remote_group_id,
  remote_address_group_id: null,
  normalized_cidr: normalizedCidr(row),
})

export const groupView = (row: SecurityGroup): View => ({
  ...standard(row),
  name: row.name,
  stateful: row.stateful === 1,
  shared: false,
  security_group_rules: (JSON.parse(row.rules) as Rule[]).map(ruleView),
  tags: strings(row.tags),
})

export const routerView = (row: Router, caller: Caller): View => ({
  ...standard(row),
  name: row.name,
  admin_state_up: row.admin_state_up === 1,
  status: 'ACTIVE',
  external_gateway_info:
    row.gateway_network === null
      ? null
      : {
          network_id: row.gateway_network,
          enable_snat: row.enable_snat === 1,
          external_fixed_ips: addressesView(row.gateway_ips),
        },
  routes: fromJson(row.routes),
  availability_zone_hints: fromJson(row.zone_hints),
  availability_zones: [ZONE],
  tags: strings(row.tags),
  ...(privileged(caller) ? { distributed: false, ha: false } : {}),
})

export const floatingIpView = (row: FloatingIp): View => ({
  ...standard(row),
  floating_ip_address: textOfKey(row.address),
  floating_network_id: row.network_id,
  port_id: row.port_id,
  fixed_ip_address: row.fixed_address === null ? null : textOfKey(row.fixed_address),
  router_id: row.router_id,
  status: row.status,
  dns_domain: '',
  dns_name: '',
  port_details:
    row.port_id === null
      ? null
      : {
          name: row.port_name ?? '',
          network_id: row.port_network,
          mac_address: row.port_mac,
          admin_state_up: row.port_up === 1,
          status: row.port_status,
          device_id: row.port_device ?? '',
          device_owner: row.port_owner ?? '',
        },
  tags: strings(row.tags),
})
