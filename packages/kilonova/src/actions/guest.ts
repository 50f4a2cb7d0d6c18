/** What a host is told to make a server's guest. */
import type { Server } from '../domain/server.ts'
import type { GuestSpec, PortFacts } from '../virt/driver.ts'

export const guestOf = (server: Server, ports: readonly PortFacts[]): GuestSpec => ({
  serverId: server.id,
  name: server.name,
  projectId: server.projectId,
  userId: server.userId,
  flavor: {
    id: server.flavor.id,
    name: server.flavor.name,
    vcpus: server.flavor.vcpus,
    memoryMb: server.flavor.memoryMb,
    rootGb: server.flavor.rootGb,
    extraSpecs: server.flavor.extraSpecs,
  },
  imageId: server.image?.id ?? null,
  imageProperties: server.image?.properties ?? {},
  ports,
  configDrive: server.configDrive,
  ...(server.rescue === null ? {} : { rescue: { imageProperties: server.rescue.properties } }),
})
