/** The libvirt driver: real guests under QEMU. This file wires the rooms; each verb lives in its own. */
import { mkdir, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename } from 'node:path'
import type { Clock } from '@kilonova/base/clock.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { Limits } from '@kilonova/disk-image/finding.ts'
import type { Driver, GuestSpec } from '../driver.ts'
import { HostError } from '../host-error.ts'
import type { HostNetwork } from '../network/host-network.ts'
import { setPassword } from './agent.ts'
import { accelerator as chooseAccelerator } from './accelerator.ts'
import { dropDisksAside, setDisksAside, takeDisksBack } from './aside.ts'
import { configDriveFormat, createConfigDrive, type ConfigDriveFormat } from './config-drive.ts'
import { openConnection, type LibvirtTarget } from './connection.ts'
import { connectConsole, consolesIn, prepareConsoles, removeConsoles } from './console-sockets.ts'
import { consoleTail } from './console.ts'
import { createDisk, diskAt, exists } from './disk.ts'
import { DEFAULT_GUEST_OPTIONS, type GuestOptions } from './domain/facts.ts'
import { pageSize } from './host-hardware.ts'
import { createLocalDisks, localDiskFiles } from './local-disks.ts'
import { directIo } from './direct-io.ts'
import { diagnosticsOf } from './diagnostics.ts'
import { domainXml } from './domain-xml.ts'
import { nicXml } from './domain/nics.ts'
import { powerEvents } from './events.ts'
import { serverFiles } from './files.ts'
import { nicsIn } from './guest-nics.ts'
import { guestsGroup, guestUserOf } from './guest-user.ts'
import { guestsOf, ifThere, lookUp, stateOf } from './guests.ts'
import { plugCard, unplugCard } from './hot-plug.ts'
import { hostReport } from './host-report.ts'
import { openImageCache } from './image-cache.ts'
import * as lifecycle from './lifecycle.ts'
import { snapshots } from './snapshot.ts'
import { backingFileOf } from './qcow2.ts'
import { usedImages } from './used-images.ts'

export interface LibvirtDriverOptions {
  readonly connection: LibvirtTarget
  /** A short name of this installation: what carries it on the host is ours. */
  readonly installationId: string
  readonly instancesDir: string
  readonly stateDir: string
  readonly network: HostNetwork
  readonly accelerator?: 'kvm' | 'tcg' | 'auto'
  /** The host's name; default the machine's. */
  readonly host?: string
  /** `my_ip`; default loopback. */
  readonly hostIp?: string
  /** Of new ones; default iso9660. */
  readonly configDriveFormat?: ConfigDriveFormat
  /** What guests are made like, where nobody asks for anything else. */
  readonly guests?: GuestOptions
  /** The file system of new ephemeral disks; default ext4. */
  readonly ephemeralFormat?: string
  /** What an image may say of itself. */
  readonly imageLimits?: Limits
  /** `device_detach_attempts`, and `device_detach_timeout`; default upstream's 8 times 20 s. */
  readonly detach?: { readonly attempts: number; readonly timeoutMs: number }
  readonly log: Log
  readonly clock: Clock
}

const DETACH = { attempts: 8, timeoutMs: 20_000 }

export async function libvirtDriver(options: LibvirtDriverOptions): Promise<Driver> {
  const { installationId, instancesDir, stateDir, network, clock } = options
  const host = options.host ?? hostname()
  const log = options.log.in(import.meta)
  await mkdir(instancesDir, { recursive: true, mode: 0o711 })
  const events = powerEvents(installationId, log)
  const diskCache = directIo(instancesDir) ? 'none' : 'writeback'
  const [accelerator, connection] = await Promise.all([
    chooseAccelerator(options.accelerator ?? 'auto', stateDir, log),
    openConnection({ target: options.connection, log, opened: events.attach }),
  ])
  const group = await guestsGroup(accelerator)
  const images = await openImageCache({ instancesDir, host, clock, readers: group, limits: options.imageLimits })
  const filesOf = (serverId: string) => serverFiles(instancesDir, serverId)

  async function describe(spec: GuestSpec): Promise<string> {
    const files = filesOf(spec.serverId)
    const rootDisk = spec.imageId === null ? null : files.disk
    const rescueDisk = spec.rescue ? files.rescueDisk : null
    const configDrive = spec.configDrive ? files.configDrive : null
    const localDisks = spec.localDisks ? localDiskFiles(files, spec.localDisks) : []
    for (const [path, name] of [
      [rootDisk, 'root disk'],
      [rescueDisk, 'rescue disk'],
      [configDrive, 'config drive'],
      ...localDisks.map((path) => [path, basename(path)] as const),
    ] as const)
      if (path !== null && !(await exists(path)))
        throw new HostError('DiskMissing', `the ${name} of server ${spec.serverId} is not on host ${host}`)
    await mkdir(files.folder, { recursive: true, mode: 0o711 })
    await prepareConsoles(stateDir)
    // The host may have restarted since they were made.
    await network.plug(spec.serverId, spec.ports)
    const nics = await network.nics(spec.serverId)
    return domainXml({
      spec,
      installationId,
      accelerator,
      user: guestUserOf(spec.serverId, group),
      rootDisk: rootDisk === null ? null : await diskAt(rootDisk),
      rescueDisk: rescueDisk === null ? null : await diskAt(rescueDisk),
      localDisks,
      diskCache,
      configDrive: configDrive === null ? null : { file: configDrive, format: await configDriveFormat(configDrive) },
      consoleLog: files.consoleLog,
      nvram: files.nvram,
      hugePageKib: await pageSize(spec, host),
      options: options.guests ?? DEFAULT_GUEST_OPTIONS,
      nics,
    })
  }
  const copies = snapshots({ connection, installationId, filesOf, host })
  const guest = { connection, installationId, describe, now: () => clock.now(), listen: events.listen }
  const hotPlug = { connection, installationId, detach: options.detach ?? DETACH }
  const nicOf = async (serverId: string, portId: string) =>
    (await network.nics(serverId)).find((nic) => nic.portId === portId)
  const consolesOf = (serverId: string) =>
    connection.use(async (client) => {
      const domain = await lookUp(client, installationId, serverId)
      const isOn = domain && ['running', 'paused'].includes(await stateOf(client, domain))
      return consolesIn((isOn ? await ifThere(client.domainGetXMLDesc(domain)) : undefined) ?? '')
    })

  return {
    kind: 'libvirt',
    report: () =>
      connection.use((client) =>
        hostReport(client, { host, hostIp: options.hostIp ?? '127.0.0.1', instancesDir, installationId, accelerator }),
      ),
    guests: () => connection.use((client) => guestsOf(client, installationId)),
    onPowerChange: events.listen,
    fetchImage: images.fetch,
    removeUnusedImages: async (minimumAgeSeconds) => {
      const used = await usedImages(instancesDir)
      return images.removeUnused(minimumAgeSeconds, (path) => used.has(path))
    },
    createDisk: async (spec) => {
      const files = filesOf(spec.serverId)
      await createDisk(spec, files.disk, images, host)
      // Windows formats its own.
      const format = spec.osType === 'windows' ? null : (options.ephemeralFormat ?? 'ext4')
      if (spec.local) await createLocalDisks(files, spec.local, { host, format })
    },
    setDisksAside: (serverId) => setDisksAside(filesOf(serverId)),
    takeDisksBack: (serverId) => takeDisksBack(filesOf(serverId)),
    dropDisksAside: (serverId) => dropDisksAside(filesOf(serverId)),
    createRescueDisk: (spec) => createDisk(spec, filesOf(spec.serverId).rescueDisk, images, host),
    removeRescueDisk: (serverId) => rm(filesOf(serverId).rescueDisk, { force: true }),
    missesBase: async (serverId) => {
      const { disk } = filesOf(serverId)
      const base = (await exists(disk)) ? await backingFileOf(disk) : undefined
      return base !== undefined && !(await exists(base))
    },
    createConfigDrive: (spec) =>
      createConfigDrive(spec, filesOf(spec.serverId), host, options.configDriveFormat ?? 'iso9660'),
    snapshot: copies.make,
    uploadSnapshot: copies.send,
    removeSnapshot: copies.remove,
    removeFiles: async (serverId) => {
      await rm(filesOf(serverId).folder, { recursive: true, force: true })
      await removeConsoles(stateDir, serverId)
    },
    plug: network.plug,
    unplug: network.unplug,
    refreshPorts: network.refresh,
    applyRouters: network.applyRouters,
    plugNic: async (spec, portId) => {
      await network.plug(spec.serverId, spec.ports)
      const nic = await nicOf(spec.serverId, portId)
      if (!nic) throw new HostError('CommandFailed', `server ${spec.serverId} has no port ${portId} on host ${host}`)
      await plugCard(hotPlug, spec.serverId, nic.tap, nicXml(spec, nic))
    },
    unplugNic: async (spec, portId, signal) => {
      const nic = await nicOf(spec.serverId, portId)
      if (nic) await unplugCard(hotPlug, spec.serverId, nic.tap, signal)
      await network.plug(spec.serverId, spec.ports)
    },
    start: (spec) => lifecycle.start(guest, spec),
    pause: (serverId) => lifecycle.pause(guest, serverId),
    unpause: (serverId) => lifecycle.unpause(guest, serverId),
    suspend: (serverId, progress, signal) => lifecycle.suspend(guest, serverId, progress, signal),
    shutdown: (serverId) => lifecycle.shutdown(guest, serverId),
    powerOff: (serverId) => lifecycle.powerOff(guest, serverId),
    destroy: (serverId) => lifecycle.destroy(guest, serverId),
    powerState: (serverId) =>
      connection.use(async (client) => {
        const domain = await lookUp(client, installationId, serverId)
        return domain ? stateOf(client, domain) : 'nostate'
      }),
    injectNmi: (serverId) => lifecycle.injectNmi(guest, serverId),
    setPassword: (serverId, user, password) =>
      connection.use((client) => setPassword(client, installationId, serverId, user, password)),
    diagnostics: (serverId) => connection.use((client) => diagnosticsOf(client, installationId, serverId, accelerator)),
    guestNics: (serverId) =>
      connection.use(async (client) => {
        const domain = await lookUp(client, installationId, serverId)
        const xml = domain && (await ifThere(client.domainGetXMLDesc(domain)))
        return xml === undefined ? [] : nicsIn(xml)
      }),
    consoleOutput: (serverId, maxBytes) => consoleTail(filesOf(serverId).consoleLog, maxBytes),
    consoles: async (serverId) => [...(await consolesOf(serverId)).keys()],
    openConsole: async (serverId, kind) => {
      const path = (await consolesOf(serverId)).get(kind)
      if (path === undefined)
        throw new HostError(
          'ConsoleUnavailable',
          `server ${serverId} has no ${kind} console that is open on host ${host}`,
        )
      return connectConsole(stateDir, path)
    },
    close: () => connection.close(),
  }
}
