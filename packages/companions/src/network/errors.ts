/** What the network service refuses: Neutron's types, words and body. Clients tell cases apart by the type. */
import { Fault, keystoneBody } from '../openstack/fault.ts'

const TYPES: Readonly<Record<number, string>> = {
  400: 'HTTPBadRequest',
  403: 'HTTPForbidden',
  404: 'HTTPNotFound',
  409: 'HTTPConflict',
  412: 'HTTPPreconditionFailed',
  413: 'HTTPRequestEntityTooLarge',
}

/** A 401 is answered by the token check in front of the service, so it has the identity service's body. */
export const faultBody = (fault: Fault): unknown =>
  fault.status === 401
    ? keystoneBody(fault)
    : {
        NeutronError: {
          type: fault.type ?? TYPES[fault.status] ?? 'HTTPInternalServerError',
          message: fault.message,
          detail: '',
        },
      }

const fault = (status: number, type: string, message: string): Fault => new Fault(status, message, { type })

const NOUNS = {
  Network: 'Network',
  Subnet: 'Subnet',
  Port: 'Port',
  SecurityGroup: 'Security group',
  SecurityGroupRule: 'Security group rule',
  Router: 'Router',
  FloatingIP: 'Floating IP',
  AvailabilityZone: 'AvailabilityZone',
} as const
export type Noun = keyof typeof NOUNS

export const missing = (noun: Noun, id: string): Fault =>
  fault(
    404,
    `${noun}NotFound`,
    noun.startsWith('Security') ? `${NOUNS[noun]} ${id} does not exist` : `${NOUNS[noun]} ${id} could not be found.`,
  )
export const invalid = (why: string): Fault => fault(400, 'InvalidInput', `Invalid input for operation: ${why}.`)
export const disallowed = (rule: string): Fault =>
  fault(403, 'PolicyNotAuthorized', `rule:${rule} is disallowed by policy`)

export const networkInUse = (id: string): Fault =>
  fault(
    409,
    'NetworkInUse',
    `Unable to complete operation on network ${id}. There are one or more ports still in use on the network.`,
  )
export const subnetInUse = (id: string): Fault =>
  fault(
    409,
    'SubnetInUse',
    `Unable to complete operation on subnet ${id}: One or more ports have an IP allocation from this subnet.`,
  )
export const addressInUse = (networkId: string, address: string): Fault =>
  fault(
    409,
    'IpAddressInUse',
    `Unable to complete operation for network ${networkId}. The IP address ${address} is in use.`,
  )
export const noAddressLeft = (networkId: string): Fault =>
  fault(409, 'IpAddressGenerationFailure', `No more IP addresses available on network ${networkId}.`)
export const addressOutside = (address: string): Fault =>
  fault(
    400,
    'InvalidIpForNetwork',
    `IP address ${address} is not a valid IP for any of the subnets on the specified network.`,
  )
export const addressNotOfSubnet = (address: string): Fault =>
  fault(400, 'InvalidIpForSubnet', `IP address ${address} is not a valid IP for the specified subnet.`)
export const macInUse = (networkId: string, mac: string): Fault =>
  fault(
    409,
    'MacAddressInUse',
    `Unable to complete operation for network ${networkId}. The mac address ${mac} is in use.`,
  )
export const groupInUse = (id: string): Fault => fault(409, 'SecurityGroupInUse', `Security Group ${id} in use.`)
export const defaultGroup = (): Fault =>
  fault(409, 'SecurityGroupCannotRemoveDefault', 'Insufficient rights for removing default security group.')
export const ruleExists = (id: string): Fault =>
  fault(409, 'SecurityGroupRuleExists', `Security group rule already exists. Rule id is ${id}.`)
export const gatewayInPool = (gateway: string, pool: string): Fault =>
  fault(409, 'GatewayConflictWithAllocationPools', `Gateway ip ${gateway} conflicts with allocation pool ${pool}.`)
export const changedMeanwhile = (): Fault =>
  fault(412, 'RevisionNumberConstraintFailed', 'Constrained to another revision than the current one.')

/** `Bad router request: …`, 400. */
export const badOf = (noun: 'router' | 'floatingip' | 'port', why: string): Fault =>
  fault(400, 'BadRequest', `Bad ${noun} request: ${why}.`)
export const portInUse = (id: string, networkId: string, device: string): Fault =>
  fault(
    409,
    'PortInUse',
    `Unable to complete operation on port ${id} for network ${networkId}. Port already has an attached device ${device}.`,
  )
export const servicePort = (id: string, owner: string): Fault =>
  fault(409, 'ServicePortInUse', `Port ${id} cannot be deleted directly via the port API: has device owner ${owner}.`)
export const routerInUse = (id: string, ports: readonly string[]): Fault =>
  fault(409, 'RouterInUse', `Router ${id} has ports still attached: ${ports.join(', ')}.`)
export const noInterface = (routerId: string, portId: string): Fault =>
  fault(404, 'RouterInterfaceNotFound', `Router ${routerId} does not have an interface with id ${portId}.`)
export const noInterfaceOn = (routerId: string, subnetId: string): Fault =>
  fault(404, 'RouterInterfaceNotFoundForSubnet', `Router ${routerId} has no interface on subnet ${subnetId}.`)
export const interfaceMismatch = (portId: string, subnetId: string): Fault =>
  fault(400, 'SubnetMismatchForPort', `Subnet on port ${portId} does not match the requested subnet ${subnetId}.`)
export const interfaceInUse = (routerId: string, subnetId: string, by: 'FloatingIP' | 'Route'): Fault =>
  fault(
    409,
    `RouterInterfaceInUseBy${by}`,
    `Router interface for subnet ${subnetId} on router ${routerId} is needed by ${by === 'Route' ? 'a route' : 'a floating IP'}.`,
  )
export const gatewayInUse = (routerId: string, networkId: string): Fault =>
  fault(
    409,
    'RouterExternalGatewayInUseByFloatingIp',
    `Gateway cannot be updated for router ${routerId}: floating IPs of external network ${networkId} need it.`,
  )
export const invalidRoutes = (why: string): Fault =>
  fault(400, 'InvalidRoutes', `Invalid input for operation: Invalid format for routes: ${why}.`)
export const tooManyRoutes = (routerId: string, most: number): Fault =>
  fault(400, 'RoutesExhausted', `Unable to complete operation for ${routerId}. A router has at most ${most} routes.`)
export const unreachable = (networkId: string, subnetId: string, portId: string): Fault =>
  fault(
    404,
    'ExternalGatewayForFloatingIPNotFound',
    `External network ${networkId} is not reachable from subnet ${subnetId}. Therefore, cannot associate Port ${portId} with a Floating IP.`,
  )
export const floatingTwice = (address: string, portId: string, fixed: string): Fault =>
  fault(
    409,
    'FloatingIPPortAlreadyAssociated',
    `Cannot associate floating IP ${address} with port ${portId}: its fixed IP ${fixed} already has a floating IP on that external network.`,
  )
export const stillFloating = (portId: string): Fault =>
  fault(
    409,
    'FipAssociated',
    `Unable to complete the operation on port ${portId}: it has a floating IP that belongs to another project.`,
  )
export const overQuota = (resource: string): Fault =>
  fault(409, 'OverQuota', `Quota exceeded for resources: ['${resource}'].`)
export const quotaBelowUsage = (resource: string, limit: number, used: number): Fault =>
  fault(400, 'HTTPBadRequest', `Quota limit ${limit} for ${resource} is less than the ${used} already used.`)
export const addressPairTwice = (): Fault =>
  fault(400, 'DuplicateAddressPairInRequest', 'Request contains duplicate address pair.')
export const tooManyPairs = (most: number): Fault =>
  fault(400, 'AllowedAddressPairExhausted', `A port has at most ${most} allowed address pairs.`)
export const pairsNeedSecurity = (): Fault =>
  fault(
    409,
    'AddressPairAndPortSecurityRequired',
    'Port Security must be enabled in order to have allowed address pairs on a port.',
  )
export const groupsNeedSecurity = (): Fault =>
  fault(400, 'PortSecurityAndIPRequiredForSecurityGroups', 'A port without port security has no security groups.')
export const portHasGroups = (): Fault =>
  fault(
    409,
    'PortSecurityPortHasSecurityGroup',
    'Port has security group associated. Cannot disable port security until security group is removed.',
  )
export const groupsConflict = (): Fault =>
  fault(409, 'SecurityGroupConflict', 'A port cannot have both stateful and stateless security groups.')
export const portBound = (id: string, before: string, wanted: string): Fault =>
  fault(
    409,
    'PortBound',
    `Unable to complete operation on port ${id}, port is already bound: old_mac ${before}, new_mac ${wanted}.`,
  )
export const ruleTwice = (): Fault =>
  fault(409, 'DuplicateSecurityGroupRuleInPost', 'Duplicate Security Group Rule in POST.')
export const rulesOfSeveralGroups = (): Fault => invalid('rules that are made at once must be of one security group')
export const defaultGroupExists = (): Fault =>
  fault(409, 'SecurityGroupDefaultAlreadyExists', 'Default security group already exists.')
export const defaultGroupStays = (): Fault =>
  fault(409, 'SecurityGroupCannotUpdateDefault', 'Updating default security group not allowed.')
export const poolWrong = (pool: string): Fault =>
  fault(400, 'InvalidAllocationPool', `The allocation pool ${pool} is not valid.`)
export const poolOutside = (pool: string, cidr: string): Fault =>
  fault(400, 'OutOfBoundsAllocationPool', `The allocation pool ${pool} spans beyond the subnet cidr ${cidr}.`)
export const poolsOverlap = (one: string, other: string, cidr: string): Fault =>
  fault(409, 'OverlappingAllocationPools', `Found overlapping allocation pools: ${one} ${other} for subnet ${cidr}.`)
export const tooManyServers = (most: number): Fault =>
  fault(400, 'DNSNameServersExhausted', `A subnet has at most ${most} DNS nameservers.`)
export const tooManyHostRoutes = (most: number): Fault =>
  fault(400, 'HostRoutesExhausted', `A subnet has at most ${most} host routes.`)
export const gatewayIpInUse = (gateway: string, portId: string): Fault =>
  fault(409, 'GatewayIpInUse', `Gateway ip ${gateway} is in use by port ${portId}. Unable to update.`)
export const mtuTooSmall = (networkId: string, least: number): Fault =>
  fault(409, 'NetworkMTUSubnetConflict', `The MTU of network ${networkId} must be at least ${least} for its subnets.`)
export const addressSelfMade = (address: string, subnetId: string): Fault =>
  fault(
    400,
    'AllocationOnAutoAddressSubnet',
    `IPv6 address ${address} cannot be chosen on subnet ${subnetId}, whose guests make their own addresses.`,
  )
export const sharedByOthers = (network: string): Fault =>
  fault(
    409,
    'InvalidSharedSetting',
    `Unable to reconfigure sharing settings for network ${network}. Multiple tenants are using it.`,
  )
export const externalInUse = (id: string): Fault =>
  fault(409, 'ExternalNetworkInUse', `External network ${id} cannot be made internal: gateways or floating IPs use it.`)
