/** Values for tests of drivers and of what calls them: a ticket, a disk, a port, a guest; each may be changed in part. */
import type { DiskSpec, GuestSpec, ImageTicket, PortFacts } from './driver.ts'

export const ticketOf = (more: Partial<ImageTicket> = {}): ImageTicket => ({
  imageId: '11111111-1111-4111-8111-111111111111',
  url: 'http://127.0.0.1:9/image',
  diskFormat: 'qcow2',
  sizeBytes: 1024 ** 2,
  hashAlgorithm: 'sha512',
  hash: 'ab'.repeat(64),
  ...more,
})

export function diskOf(serverId: string, ticket: ImageTicket = ticketOf(), rootGb = 1): DiskSpec {
  const { imageId, diskFormat, hash, hashAlgorithm } = ticket
  return { serverId, image: { imageId, diskFormat, hash, hashAlgorithm }, rootGb }
}

export const portOf = (more: Partial<PortFacts> = {}): PortFacts => ({
  portId: '22222222-2222-4222-8222-222222222222',
  networkId: '33333333-3333-4333-8333-333333333333',
  networkName: 'private',
  mac: 'fa:16:3e:00:00:01',
  mtu: 1450,
  fixedIps: [],
  subnets: [],
  portSecurity: true,
  adminUp: true,
  allowedPairs: [],
  rules: [],
  hostname: 'web',
  ...more,
})

export const guestOf = (serverId: string, more: Partial<GuestSpec> = {}): GuestSpec => ({
  serverId,
  name: 'web',
  projectId: 'p',
  userId: 'u',
  flavor: { id: '42', name: 'm1.nano', vcpus: 1, memoryMb: 192, rootGb: 1, extraSpecs: {} },
  imageId: '11111111-1111-4111-8111-111111111111',
  imageProperties: {},
  ports: [],
  configDrive: false,
  ...more,
})
