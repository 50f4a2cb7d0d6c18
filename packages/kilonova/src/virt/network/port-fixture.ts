/** Port facts for tests; every field may be said otherwise. */
import type { PortFacts, SecurityRule } from '../driver.ts'

export const ruleOf = (wish: Partial<SecurityRule> = {}): SecurityRule => ({
  direction: 'ingress',
  version: 4,
  protocol: null,
  portMin: null,
  portMax: null,
  remotes: [],
  stateful: true,
  ...wish,
})

export const subnetOf = (wish: Partial<PortFacts['subnets'][number]> = {}): PortFacts['subnets'][number] => ({
  id: 'subnet-a',
  cidr: '10.0.0.0/20',
  gateway: '10.0.0.1',
  dhcp: true,
  dnsServers: [],
  hostRoutes: [],
  routed: true,
  raMode: null,
  addressMode: null,
  ...wish,
})

export const portOf = (wish: Partial<PortFacts> = {}): PortFacts => ({
  portId: '11111111-aaaa-4aaa-8aaa-000000000001',
  networkId: '22222222-bbbb-4bbb-8bbb-000000000002',
  networkName: 'private',
  mac: 'fa:16:3e:0a:0b:0c',
  mtu: 1450,
  fixedIps: [{ address: '10.0.0.5', subnetId: 'subnet-a' }],
  subnets: [subnetOf()],
  portSecurity: true,
  adminUp: true,
  allowedPairs: [],
  rules: [],
  hostname: 'demo',
  ...wish,
})
