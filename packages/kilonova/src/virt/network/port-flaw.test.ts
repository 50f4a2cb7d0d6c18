import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PortFacts } from '../driver.ts'
import { portFlaw } from './port-flaw.ts'
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
    [{ allowedPairs: [{ cidr: '10.0.0.9', mac: 'fa:16:3e:00:00:01' }] }, /not an address pair/],
    [{ allowedPairs: [{ cidr: '10.0.0.9/32 accept', mac: 'fa:16:3e:00:00:01' }] }, /not an address pair/],
    [{ allowedPairs: [{ cidr: '10.0.0.9/32', mac: 'fa:16:3e:00:00:01 }' }] }, /not an address pair/],
  ]
  for (const [wish, flaw] of flawed) assert.match(String(portFlaw(portOf(wish))), flaw)
})
