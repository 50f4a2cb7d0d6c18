import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PortFacts, RouterFacts } from '../driver.ts'
import { portFlaw, routerFlaw } from './port-flaw.ts'
import { portOf, ruleOf, subnetOf } from './port-fixture.ts'

test('facts that hold only what they should pass', () => {
  assert.equal(portFlaw(portOf({ rules: [ruleOf({ protocol: 'tcp', portMin: 22, portMax: 22 })] })), undefined)
  assert.equal(portFlaw(portOf({ fixedIps: [], subnets: [], hostname: 'anything at all' })), undefined)
})

test('whatever could reach a command, a file or a rule is refused by name', () => {
  const flawed: [Partial<PortFacts>, RegExp][] = [
    [{ portId: '../x' }, /not an id/],
    [{ networkId: 'a b' }, /not an id/],
    [{ mac: 'fa:16:3e:00:00:01,evil' }, /card's address/],
    [{ mac: '01:00:5e:00:00:01' }, /card's address/],
    [{ mtu: 10 }, /MTU/],
    [{ fixedIps: [{ address: '10.0.0.5\n', subnetId: 's' }] }, /is not an address/],
    [{ fixedIps: [{ address: 'fe80::1%eth0', subnetId: 's' }] }, /is not an address/],
    [{ subnets: [subnetOf({ cidr: '10.0.0.0' })] }, /is not a prefix/],
    [{ subnets: [subnetOf({ gateway: 'nobody' })] }, /is not an address/],
    [{ subnets: [subnetOf({ hostRoutes: [{ destination: 'default', nexthop: '10.0.0.1' }] })] }, /is not a prefix/],
    [{ subnets: [subnetOf({ dnsServers: ['9.9.9.9 evil'] })] }, /is not an address/],
    [{ rules: [ruleOf({ remotes: ['x'] })] }, /security group rule/],
    [{ quota: { inbound: { averageKib: 0 } } }, /"0" is not a rate/],
    [{ quota: { outbound: { averageKib: 1, peakKib: 1.5 } } }, /"1,1.5" is not a rate/],
    [{ allowedPairs: [{ cidr: '10.0.0.9', mac: 'fa:16:3e:00:00:01' }] }, /not an address pair/],
    [{ allowedPairs: [{ cidr: '10.0.0.9/32 accept', mac: 'fa:16:3e:00:00:01' }] }, /not an address pair/],
    [{ allowedPairs: [{ cidr: '10.0.0.9/32', mac: 'fa:16:3e:00:00:01 }' }] }, /not an address pair/],
  ]
  for (const [wish, flaw] of flawed) assert.match(String(portFlaw(portOf(wish))), flaw)
})

test('so it is for routers', () => {
  const link = {
    portId: 'r1',
    networkId: 'net',
    mac: 'fa:16:3e:00:00:aa',
    mtu: 1500,
    fixedIps: [{ address: '10.0.0.1', subnetId: 'subnet-a' }],
    subnets: [subnetOf()],
  }
  const sound: RouterFacts = {
    routerId: 'router-1',
    interfaces: [link],
    gateway: { ...link, portId: 'r2', snat: true },
    routes: [{ destination: '10.9.0.0/16', nexthop: '10.0.0.9' }],
    floatingIps: [{ address: '172.24.4.9', fixedAddress: '10.0.0.5' }],
  }
  assert.equal(routerFlaw(sound), undefined)
  const flawed: [Partial<RouterFacts>, RegExp][] = [
    [{ routerId: 'a b' }, /not an id/],
    [{ interfaces: [{ ...link, mac: 'x' }] }, /card's address/],
    [{ gateway: { ...link, mtu: 10, snat: true } }, /MTU/],
    [{ routes: [{ destination: 'default', nexthop: '10.0.0.9' }] }, /is not a prefix/],
    [{ routes: [{ destination: '10.9.0.0/16', nexthop: '10.0.0.9 dev lo' }] }, /is not an address/],
    [{ floatingIps: [{ address: '172.24.4.9 }', fixedAddress: '10.0.0.5' }] }, /is not an address/],
    [{ floatingIps: [{ address: '172.24.4.9', fixedAddress: 'fd00::5' }] }, /is not of version 4/],
  ]
  for (const [wish, flaw] of flawed) assert.match(String(routerFlaw({ ...sound, ...wish })), flaw)
})
