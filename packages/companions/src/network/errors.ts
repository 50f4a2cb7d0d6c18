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
} as const
export type Noun = keyof typeof NOUNS

export const missing = (noun: Noun, id: string): Fault =>
  fault(
    404,
    `${noun}NotFound`,
    noun.startsWith('Security') ? `${NOUNS[noun]} ${id} does not exist` : `${noun} ${id} could not be found.`,
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
