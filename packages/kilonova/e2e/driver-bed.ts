// A host of its own for tests of guests without a network: the libvirt driver under a libvirtd that nobody else has.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@kilonova/base/clock.ts'
import { silentLog } from '@kilonova/base/log.ts'
import type { Driver, ImageTicket } from '../src/virt/driver.ts'
import { imageServer } from '../src/virt/image-server.ts'
import { libvirtDriver } from '../src/virt/libvirt/driver.ts'
import { ensureLibvirtd, stopLibvirtd } from '../src/virt/libvirt/libvirtd.ts'
import type { HostNetwork } from '../src/virt/network/host-network.ts'

const cacheDir = join(process.env['KILONOVA_IMAGE_CACHE'] ?? tmpdir(), 'kilonova-qemu-capabilities')
const noNetwork: HostNetwork = {
  plug: async () => {},
  unplug: async () => {},
  refresh: async () => {},
  applyRouters: async () => {},
  nics: async () => [],
  inventory: () => Promise.reject(new Error('no network here')),
  close: async () => {},
}

export interface DriverBed {
  readonly driver: Driver
  readonly instancesDir: string
  /** Of the image, which the host has fetched. */
  readonly ticket: ImageTicket
  close(): Promise<void>
}

/** `image`: the content of a qcow2 file. */
export async function driverBed(installationId: string, image: Buffer): Promise<DriverBed> {
  const stateDir = mkdtempSync(join(tmpdir(), 'kilonova-guests-'))
  const instancesDir = join(stateDir, 'instances')
  const libvirtd = () => ensureLibvirtd({ stateDir, instancesDir, log: silentLog, cacheDir })
  const { socketPath } = await libvirtd()
  const driver = await libvirtDriver({
    connection: { socketPath, revive: libvirtd },
    installationId,
    instancesDir,
    stateDir,
    host: 'h1',
    network: noNetwork,
    log: silentLog,
    clock: systemClock(),
  })
  const server = await imageServer([image])
  const ticket = server.ticketFor(image)
  await driver.fetchImage(ticket, () => {}, new AbortController().signal)
  return {
    driver,
    instancesDir,
    ticket,
    close: async () => {
      server.close()
      await driver.close()
      await stopLibvirtd(stateDir)
      rmSync(stateDir, { recursive: true })
    },
  }
}
