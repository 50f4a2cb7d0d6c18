/** What a subnet's body may say. */
import { z } from 'zod'
import { address, flag, project, tags, text } from './fields.ts'

const pools = z.array(z.strictObject({ start: address, end: address })).max(50)
export type Pools = z.output<typeof pools>
const routes = z.array(z.strictObject({ destination: z.string().max(64), nexthop: address })).max(1000)
export type HostRoutes = z.output<typeof routes>
const mode = z.enum(['slaac', 'dhcpv6-stateful', 'dhcpv6-stateless']).nullish()
export type Ipv6Mode = z.output<typeof mode>

const changeable = {
  name: text.optional(),
  description: text.optional(),
  enable_dhcp: flag.optional(),
  gateway_ip: address.nullish(),
  allocation_pools: pools.optional(),
  dns_nameservers: z.array(address).max(1000).optional(),
  host_routes: routes.optional(),
  service_types: z.array(text).max(0).optional(),
  dns_publish_fixed_ip: z.literal(false).optional(),
}
export const subnetChanges = z.strictObject(changeable)
export const subnetCreation = z.strictObject({
  ...changeable,
  network_id: text,
  project_id: project,
  tenant_id: project,
  tags: tags.optional(),
  ip_version: z.coerce.number().pipe(z.union([z.literal(4), z.literal(6)])),
  cidr: z.string().max(64),
  ipv6_ra_mode: mode,
  ipv6_address_mode: mode,
  subnetpool_id: z.null().optional(),
  segment_id: z.null().optional(),
})
