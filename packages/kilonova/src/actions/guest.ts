/** What a host is told to make a server's guest. */
import { localDisksOf, type LocalDisks } from '../domain/local-disks.ts'
import type { Server } from '../domain/server.ts'
import type { DiskSpec, GuestSpec, PortFacts } from '../virt/driver.ts'

/** Undefined: it has none. */
function someLocalDisks(server: Server): LocalDisks | undefined {
  const disks = localDisksOf(server)
  return disks.ephemeralsGb.length > 0 || disks.swapMb > 0 ? disks : undefined
}

/** All disks that a host makes for a server. */
export const disksFor = (server: Server, image: DiskSpec['image']): DiskSpec => {
  const local = someLocalDisks(server)
  const osType = server.image?.properties['os_type']
  return {
    serverId: server.id,
    image,
    rootGb: server.flavor.rootGb,
    ...(local ? { local } : {}),
    ...(local && osType !== undefined ? { osType } : {}),
  }
}

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
  ...(someLocalDisks(server) ? { localDisks: someLocalDisks(server) } : {}),
  ...(server.rescue === null ? {} : { rescue: { imageProperties: server.rescue.properties } }),
})
