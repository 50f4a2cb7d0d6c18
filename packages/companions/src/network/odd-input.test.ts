/** Whatever is sent, the answer is never that the service failed: a thousand requests of odd values, the same in every run. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testNetwork } from '../test-cloud.ts'
import { block, make } from './test-requests.ts'

const FIELDS = {
  networks:
    'name shared router:external mtu port_security_enabled is_default tags project_id provider:segmentation_id availability_zone_hints',
  subnets:
    'network_id ip_version cidr gateway_ip enable_dhcp allocation_pools dns_nameservers host_routes ipv6_ra_mode ipv6_address_mode name tags',
  ports:
    'network_id fixed_ips mac_address security_groups allowed_address_pairs port_security_enabled device_id device_owner binding:host_id binding:profile extra_dhcp_opts dns_name tags admin_state_up project_id name',
  'security-groups': 'name description stateful tags project_id',
  'security-group-rules':
    'security_group_id direction ethertype protocol port_range_min port_range_max remote_ip_prefix remote_group_id description',
  routers: 'name external_gateway_info routes admin_state_up ha distributed tags availability_zone_hints project_id',
  floatingips: 'floating_network_id port_id fixed_ip_address floating_ip_address subnet_id description tags project_id',
  quotas: 'network port force x',
} as const
const PATHS = Object.keys(FIELDS) as (keyof typeof FIELDS)[]
const QUERY =
  'limit marker sort_key sort_dir fields page_reverse tags not-tags status fixed_ips id __proto__ revision_number'
const ODD: readonly unknown[] = [
  null, true, false, 0, -1, 4, 6, 7e30, 1.5, 65_536, 2_147_483_648, '', 'x', '\0', 'a\0b', '💥', 'x'.repeat(300), '%', "'",
  '10.0.0.0/24', '10.3.0.0/24', '10.0.0.5', '10.0.0.1', 'fd00::/64', 'fd00::1', '::', '0.0.0.0/0', 'tcp', 'icmp', '58', 'ingress',
  'IPv6', 'slaac', 'default', 'network:dhcp', 'network:router_gateway', '00:00:00:00:00:00', 'fa:16:3e:00:00:01', '__proto__',
  {}, [], [null], [{}], [''], ['x'], ['kilonova:x'], [{ ip_address: '10.0.0.7' }], [{ start: '10.0.0.9', end: '10.0.0.1' }],
  [{ destination: '1.0.0.0/8', nexthop: '10.0.0.9' }], [{ opt_name: 'x', opt_value: null }], { network_id: null }, { a: { b: [1] } },
] // prettier-ignore

test('odd values are refused or kept, and never a failure of the service', async (t) => {
  const cloud = await testNetwork()
  t.after(() => cloud.close())
  const people = await Promise.all((['admin', 'demo', 'kilonova'] as const).map((name) => cloud.person(name)))
  const [admin, demo] = people
  assert.ok(admin && demo)
  const outside = await block(admin, '172.24.4.0/24', { 'router:external': true })
  const inside = await block(demo, '10.0.0.0/24')
  const router = await make(demo, 'routers', { external_gateway_info: { network_id: outside.network.id } })
  await demo.call('PUT', `/v2.0/routers/${router.id}/add_router_interface`, { subnet_id: inside.subnet.id })
  const port = await make(demo, 'ports', { network_id: inside.network.id })
  const floating = await make(demo, 'floatingips', { floating_network_id: outside.network.id, port_id: port.id })
  const group = await make(demo, 'security-groups', { name: 'x' })
  const ids = [outside, inside].flatMap(({ network, subnet }) => [network.id, subnet.id])
  ids.push(router.id, port.id, floating.id, group.id)
  const fitting: Readonly<Record<string, object>> = {
    subnets: { network_id: inside.network.id, ip_version: 4, cidr: '10.3.0.0/24' },
    ports: { network_id: inside.network.id },
    'security-groups': { name: 'y' },
    'security-group-rules': { security_group_id: group.id, direction: 'ingress' },
    floatingips: { floating_network_id: outside.network.id },
  }

  let seed = 7
  const below = (limit: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return (seed >> 8) % limit
  }
  const one = <T>(all: readonly T[]): T => all[below(all.length)] as T
  const odd = (): unknown =>
    one([...ODD, ...ids, { network_id: outside.network.id }, [{ subnet_id: inside.subnet.id }]])
  const body = (path: keyof typeof FIELDS): unknown => {
    const fields: Record<string, unknown> = below(2) === 0 ? {} : { ...fitting[path] }
    for (let left = below(4); left >= 0; left--) fields[one(FIELDS[path].split(' '))] = odd()
    return below(20) === 0 ? odd() : { [path.replaceAll('-', '_').replace(/s$/, '')]: fields }
  }
  const verbs = ['add_router_interface', 'remove_router_interface', 'add_extraroutes', 'remove_extraroutes']
  const requests = [
    (path: keyof typeof FIELDS) => ['POST', path, body(path)] as const,
    (path: keyof typeof FIELDS) => ['PUT', `${path}/${one([...ids, 'x', '%00'])}`, body(path)] as const,
    () =>
      ['PUT', `routers/${router.id}/${one(verbs)}`, one([{ subnet_id: odd() }, { port_id: odd() }, odd()])] as const,
    (path: keyof typeof FIELDS) => ['PUT', `${path}/${one(ids)}/tags`, one([{ tags: odd() }, odd()])] as const,
    (path: keyof typeof FIELDS) => {
      const name = one([...FIELDS[path].split(' '), ...QUERY.split(' ')])
      return ['GET', `${path}?${name}=${encodeURIComponent(String(odd()))}`, undefined] as const
    },
  ]
  const statuses = new Map<number, number>()
  for (let left = 1000; left > 0; left--) {
    const [method, path, json] = one(requests)(one(PATHS))
    const { status } = await one(people).call(method, `/v2.0/${path}`, json)
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    assert.ok(status < 500, `${method} ${path} ${JSON.stringify(json)}: ${status}`)
  }
  for (const status of [200, 201, 400, 403, 404]) assert.ok(statuses.has(status), `no answer was ${status}`)
})
