/** What the network service keeps. Booleans are 0 and 1, times are milliseconds, addresses are keys (see address.ts), lists nobody searches are JSON. */
import type { Migrations } from '@kilonova/base/database/migrate.ts'
import type { GeneratedAlways } from 'kysely'
import type { QuotaResource } from './quotas.ts'

interface Standard {
  id: string
  project_id: string
  name: string
  description: string
  created_at: number
  updated_at: number
  revision: number
}

export interface NetworkTables {
  networks: Standard & {
    admin_state_up: number
    shared: number
    external: number
    mtu: number
    port_security_enabled: number
    dns_domain: string
    provider_type: string | null
    provider_physical: string | null
    provider_segment: number | null
    is_default: number
    zone_hints: string
  }
  subnets: Standard & {
    network_id: string
    ip_version: 4 | 6
    cidr: string
    gateway_ip: string | null
    enable_dhcp: number
    ipv6_ra_mode: string | null
    ipv6_address_mode: string | null
    allocation_pools: string
    dns_nameservers: string
    host_routes: string
  }
  ports: Standard & {
    network_id: string
    mac_address: string
    admin_state_up: number
    device_id: string
    device_owner: string
    /** Empty until the port is bound to a host. */
    host_id: string
    status: GeneratedAlways<'ACTIVE' | 'DOWN'>
    vnic_type: string
    profile: string
    port_security_enabled: number
    dns_name: string
    extra_dhcp_opts: string
    allowed_address_pairs: string
  }
  /** The truth about who has which address: its key makes handing one out twice impossible. */
  ip_allocations: { subnet_id: string; address: string; port_id: string }
  security_groups: Standard & { is_default: number; stateful: number }
  security_group_rules: {
    id: string
    project_id: string
    security_group_id: string
    direction: 'ingress' | 'egress'
    ethertype: 'IPv4' | 'IPv6'
    protocol: string | null
    port_range_min: number | null
    port_range_max: number | null
    remote_ip_prefix: string | null
    remote_group_id: string | null
    description: string
    created_at: number
    updated_at: number
    revision: number
  }
  port_security_groups: { port_id: string; security_group_id: string }
  /** `routes` and `zone_hints` are JSON. */
  routers: Standard & { admin_state_up: number; enable_snat: number; routes: string; zone_hints: string }
  /** The truth about which ports are a router's; what a port says of its device is for reading only. */
  router_ports: { port_id: string; router_id: string; kind: 'interface' | 'gateway' }
  /** Addresses are keys; `port_id`, `fixed_address` and `router_id` are of the port it leads to, all or none. */
  floatingips: Omit<Standard, 'name'> & {
    network_id: string
    address: string
    floating_port_id: string
    port_id: string | null
    fixed_address: string | null
    router_id: string | null
    status: GeneratedAlways<'ACTIVE' | 'DOWN'>
  }
  tags: { resource_id: string; tag: string }
  /** Limits that are not the default. */
  quotas: { project_id: string; resource: QuotaResource; amount: number }
  /** A row to hold, so that two transactions cannot both find room. */
  quota_guards: { project_id: string }
}

const STANDARD = `id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL,
  created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, revision INTEGER NOT NULL`

export const migrations: Migrations = {
  '0001-network': [
    `CREATE TABLE networks (${STANDARD}, admin_state_up INTEGER NOT NULL, shared INTEGER NOT NULL, external INTEGER NOT NULL,
      mtu INTEGER NOT NULL, port_security_enabled INTEGER NOT NULL, dns_domain TEXT NOT NULL, provider_type TEXT,
      provider_physical TEXT, provider_segment INTEGER)`,
    `CREATE INDEX networks_project ON networks (project_id)`,
    `CREATE TABLE subnets (${STANDARD}, network_id TEXT NOT NULL REFERENCES networks (id) ON DELETE CASCADE,
      ip_version INTEGER NOT NULL, cidr TEXT NOT NULL, gateway_ip TEXT, enable_dhcp INTEGER NOT NULL, ipv6_ra_mode TEXT,
      ipv6_address_mode TEXT, allocation_pools TEXT NOT NULL, dns_nameservers TEXT NOT NULL, host_routes TEXT NOT NULL)`,
    `CREATE INDEX subnets_network ON subnets (network_id)`,
    `CREATE TABLE ports (${STANDARD}, network_id TEXT NOT NULL REFERENCES networks (id), mac_address TEXT NOT NULL,
      admin_state_up INTEGER NOT NULL, device_id TEXT NOT NULL, device_owner TEXT NOT NULL, host_id TEXT NOT NULL,
      status TEXT GENERATED ALWAYS AS (CASE WHEN host_id <> '' THEN 'ACTIVE' ELSE 'DOWN' END) STORED,
      vnic_type TEXT NOT NULL, profile TEXT NOT NULL, port_security_enabled INTEGER NOT NULL, dns_name TEXT NOT NULL,
      extra_dhcp_opts TEXT NOT NULL, allowed_address_pairs TEXT NOT NULL, UNIQUE (network_id, mac_address))`,
    `CREATE INDEX ports_project ON ports (project_id)`,
    `CREATE INDEX ports_device ON ports (device_id)`,
    `CREATE TABLE ip_allocations (subnet_id TEXT NOT NULL REFERENCES subnets (id), address TEXT NOT NULL,
      port_id TEXT NOT NULL REFERENCES ports (id) ON DELETE CASCADE, PRIMARY KEY (subnet_id, address))`,
    `CREATE INDEX ip_allocations_port ON ip_allocations (port_id)`,
    `CREATE TABLE security_groups (${STANDARD}, is_default INTEGER NOT NULL, stateful INTEGER NOT NULL)`,
    `CREATE INDEX security_groups_project ON security_groups (project_id)`,
    `CREATE UNIQUE INDEX security_groups_default ON security_groups (project_id) WHERE is_default = 1`,
    `CREATE TABLE security_group_rules (id TEXT PRIMARY KEY, project_id TEXT NOT NULL,
      security_group_id TEXT NOT NULL REFERENCES security_groups (id) ON DELETE CASCADE, direction TEXT NOT NULL,
      ethertype TEXT NOT NULL, protocol TEXT, port_range_min INTEGER, port_range_max INTEGER, remote_ip_prefix TEXT,
      remote_group_id TEXT REFERENCES security_groups (id) ON DELETE CASCADE, description TEXT NOT NULL,
      created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, revision INTEGER NOT NULL)`,
    `CREATE INDEX security_group_rules_group ON security_group_rules (security_group_id)`,
    `CREATE INDEX security_group_rules_remote ON security_group_rules (remote_group_id)`,
    `CREATE TABLE port_security_groups (port_id TEXT NOT NULL REFERENCES ports (id) ON DELETE CASCADE,
      security_group_id TEXT NOT NULL REFERENCES security_groups (id), PRIMARY KEY (port_id, security_group_id))`,
    `CREATE INDEX port_security_groups_group ON port_security_groups (security_group_id)`,
    `CREATE TABLE tags (resource_id TEXT NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (resource_id, tag))`,
  ],
  '0002-routers': [
    `CREATE TABLE routers (${STANDARD}, admin_state_up INTEGER NOT NULL, enable_snat INTEGER NOT NULL, routes TEXT NOT NULL)`,
    `CREATE INDEX routers_project ON routers (project_id)`,
    `CREATE TABLE router_ports (port_id TEXT PRIMARY KEY REFERENCES ports (id) ON DELETE CASCADE,
      router_id TEXT NOT NULL REFERENCES routers (id), kind TEXT NOT NULL)`,
    `CREATE INDEX router_ports_router ON router_ports (router_id)`,
    `CREATE UNIQUE INDEX router_ports_gateway ON router_ports (router_id) WHERE kind = 'gateway'`,
    `CREATE TABLE floatingips (id TEXT PRIMARY KEY, project_id TEXT NOT NULL, description TEXT NOT NULL,
      created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, revision INTEGER NOT NULL,
      network_id TEXT NOT NULL REFERENCES networks (id), address TEXT NOT NULL,
      floating_port_id TEXT NOT NULL REFERENCES ports (id), port_id TEXT REFERENCES ports (id), fixed_address TEXT,
      router_id TEXT REFERENCES routers (id),
      status TEXT GENERATED ALWAYS AS (CASE WHEN port_id IS NULL THEN 'DOWN' ELSE 'ACTIVE' END) STORED)`,
    `CREATE INDEX floatingips_project ON floatingips (project_id)`,
    `CREATE INDEX floatingips_router ON floatingips (router_id)`,
    `CREATE INDEX floatingips_floating_port ON floatingips (floating_port_id)`,
    `CREATE UNIQUE INDEX floatingips_port ON floatingips (port_id, fixed_address, network_id) WHERE port_id IS NOT NULL`,
    `CREATE INDEX ports_owner ON ports (device_owner)`,
  ],
  '0003-quotas': [
    `CREATE TABLE quotas (project_id TEXT NOT NULL, resource TEXT NOT NULL, amount INTEGER NOT NULL,
      PRIMARY KEY (project_id, resource))`,
    `CREATE TABLE quota_guards (project_id TEXT PRIMARY KEY)`,
    `CREATE INDEX subnets_project ON subnets (project_id)`,
    `CREATE INDEX security_group_rules_project ON security_group_rules (project_id)`,
  ],
  '0004-zones': [
    `ALTER TABLE networks ADD COLUMN is_default INTEGER NOT NULL DEFAULT 0`,
    `ALTER TABLE networks ADD COLUMN zone_hints TEXT NOT NULL DEFAULT '[]'`,
    `ALTER TABLE routers ADD COLUMN zone_hints TEXT NOT NULL DEFAULT '[]'`,
  ],
}
