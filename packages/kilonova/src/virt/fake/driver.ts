/**
 * A hypervisor that lives in memory: it keeps what it was given, passes the same contract test as the real one, and counts
 * what it holds, so that tests can see what was left behind. Each verb costs microseconds.
 */
import type { Clock } from '@kilonova/base/clock.ts'
import { CONSOLE_KINDS } from '../../domain/console.ts'
import { hasAgent } from '../../domain/image-properties.ts'
import type { PowerState } from '../../domain/states.ts'
import type { ConfigDriveSpec, DiskSpec, Driver, GuestSpec, PortFacts, PowerChange, RouterFacts } from '../driver.ts'
import { HostError } from '../host-error.ts'
import { fakeConsole, type FakeConsole } from './console.ts'
import { born, fakeDiagnostics, lived, type Life } from './diagnostics.ts'
import type { Faults, Verb } from './faults.ts'
import { contentKey, fakeImageCache } from './image-cache.ts'
import { fakeReport } from './report.ts'
import { fakeSnapshots } from './snapshots.ts'

export interface FakeDriverOptions {
  readonly host: string
  readonly clock: Clock
  readonly vcpus?: number
  readonly memoryMb?: number
  readonly diskGb?: number
  readonly faults?: Faults
  /** Fetches the ticket's URL and checks its content; otherwise the ticket is only noted. */
  readonly download?: boolean
}

/** How much the host holds of each thing that a server may leave behind. */
export interface Inventory {
  readonly guests: number
  readonly disks: number
  readonly configDrives: number
  readonly snapshots: number
  readonly ports: number
  readonly cachedImages: number
  /** Memories of suspended guests. */
  readonly memories: number
  /** Network cards of guests. */
  readonly cards: number
}

export interface FakeDriver extends Driver {
  readonly kind: 'fake'
  inventory(): Inventory
  /** As the host knows it now; undefined when it is not plugged. */
  portFacts(portId: string): PortFacts | undefined
  /** All that it was told of, also those without a guest here. */
  routers(): readonly RouterFacts[]
  /** The guest changes its state by itself: what a user inside, or a crash, would do. */
  happen(serverId: string, powerState: PowerState, event: string): void
  /** Whether the guest lets go of cards that it is asked for; it does, unless told. */
  holdCards(serverId: string, holds: boolean): void
  /** Somebody removed all cached images from the disk. */
  loseImages(): void
  /** As the guest's agent was last told; undefined: never. */
  passwordOf(serverId: string, user: string): string | undefined
}

interface Guest extends Life {
  spec: GuestSpec
  powerState: PowerState
  /** Its memory is kept: the next start goes on with it. */
  saved: boolean
  readonly passwords: Map<string, string>
}

const GB = 1024 ** 3
const localDisksIn = ({ local }: Pick<DiskSpec, 'local'>): number =>
  (local?.ephemeralsGb.length ?? 0) + ((local?.swapMb ?? 0) > 0 ? 1 : 0)

export function fakeDriver(options: FakeDriverOptions): FakeDriver {
  const { host, clock } = options
  const size = {
    vcpus: options.vcpus ?? 64,
    memoryMb: options.memoryMb ?? 256 * 1024,
    diskGb: options.diskGb ?? 10 * 1024,
  }
  const guests = new Map<string, Guest>()
  const disks = new Map<string, DiskSpec>()
  const configDrives = new Map<string, ConfigDriveSpec>()
  /** Kept beside the new ones. */
  const aside = new Map<string, { readonly disk?: DiskSpec; readonly configDrive?: ConfigDriveSpec }>()
  const rescueDisks = new Map<string, DiskSpec>()
  const plugged = new Map<string, readonly PortFacts[]>()
  const consoles = new Map<string, FakeConsole>()
  /** Whose guests do not let go of cards. */
  const holding = new Set<string>()
  const images = fakeImageCache(clock, options.download ?? false)
  const snapshots = fakeSnapshots(host)
  const listeners = new Set<(change: PowerChange) => void>()
  const startedAt = clock.now()
  let told: readonly RouterFacts[] = []

  /** Runs a verb's effect, with the fault that the test asked for around it. */
  async function verb<T>(name: Verb, serverId: string | undefined, effect: () => T): Promise<Awaited<T>> {
    const fault = options.faults?.take(name, serverId)
    if (fault?.at === 'before') await options.faults?.strike(name, fault)
    const result = await effect()
    if (fault?.at === 'after') await options.faults?.strike(name, fault)
    return result
  }
  const consoleOf = (serverId: string): FakeConsole => {
    const found = consoles.get(serverId) ?? fakeConsole()
    consoles.set(serverId, found)
    return found
  }
  function change(guest: Guest, powerState: PowerState, event: string): void {
    if (guest.powerState === powerState) return
    const goesOn = guest.powerState === 'paused' || guest.saved
    Object.assign(guest, lived(guest, guest.powerState === 'running', clock.now()))
    guest.powerState = powerState
    const { serverId, name } = guest.spec
    const screen = consoleOf(serverId)
    if (powerState === 'running' && !goesOn) {
      Object.assign(guest, born(clock.now(), guest.boots + 1))
      screen.boot(name)
    } else screen.line(`${name} ${event}`)
    if (powerState !== 'running' && powerState !== 'paused') screen.cut()
    queueMicrotask(() => {
      for (const listener of listeners) listener({ serverId, powerState, event })
    })
  }
  function make(spec: DiskSpec, where: Map<string, DiskSpec>): void {
    if (where.has(spec.serverId)) return
    const image = images.use(spec.image)
    if (!image) throw new HostError('ImageNotCached', `image ${spec.image.imageId} is not in the cache of host ${host}`)
    if (spec.rootGb > 0 && image.sizeBytes > spec.rootGb * GB)
      throw new HostError(
        'ImageLargerThanDisk',
        `image ${spec.image.imageId} needs ${Math.ceil(image.sizeBytes / GB)} GB, the flavor's disk has ${spec.rootGb} GB`,
      )
    where.set(spec.serverId, spec)
  }
  const diskSpecs = (): readonly DiskSpec[] => [
    ...disks.values(),
    ...rescueDisks.values(),
    ...[...aside.values()].flatMap(({ disk }) => disk ?? []),
  ]
  function run(spec: GuestSpec): void {
    if (spec.imageId !== null && !disks.has(spec.serverId))
      throw new HostError('DiskMissing', `the root disk of server ${spec.serverId} is not on host ${host}`)
    if (spec.localDisks && localDisksIn({ local: spec.localDisks }) > localDisksIn(disks.get(spec.serverId) ?? {}))
      throw new HostError('DiskMissing', `the local disks of server ${spec.serverId} are not on host ${host}`)
    if (spec.rescue && !rescueDisks.has(spec.serverId))
      throw new HostError('DiskMissing', `the rescue disk of server ${spec.serverId} is not on host ${host}`)
    if (spec.configDrive && !configDrives.has(spec.serverId))
      throw new HostError('DiskMissing', `the config drive of server ${spec.serverId} is not on host ${host}`)
    if (spec.ports.length > 0) plugged.set(spec.serverId, spec.ports)
    const guest = guests.get(spec.serverId) ?? {
      spec,
      powerState: 'nostate',
      saved: false,
      passwords: new Map<string, string>(),
      ...born(clock.now(), 0),
    }
    guest.spec = spec
    guests.set(spec.serverId, guest)
    change(guest, 'running', 'started')
    guest.saved = false
  }
  /** Errors: GuestNotRunning. */
  function going(serverId: string): Guest {
    const guest = guests.get(serverId)
    if (guest?.powerState === 'running' || guest?.powerState === 'paused') return guest
    throw new HostError('GuestNotRunning', `the guest of server ${serverId} does not run`)
  }
  const isOn = (serverId: string): boolean => ['running', 'paused'].includes(guests.get(serverId)?.powerState ?? '')
  function stop(serverId: string, event: string): void {
    const guest = guests.get(serverId)
    if (guest) change(guest, 'shutdown', event)
  }

  return {
    kind: 'fake',
    report: () =>
      verb('report', undefined, () =>
        fakeReport(host, size, {
          diskGb: [...disks.values()].reduce(
            (sum, { rootGb, local }) => sum + rootGb + (local?.ephemeralsGb ?? []).reduce((all, gb) => all + gb, 0),
            0,
          ),
          runningServers: [...guests.values()].filter(({ powerState }) => powerState === 'running').length,
          uptimeSeconds: Math.floor((clock.now() - startedAt) / 1000),
        }),
      ),
    guests: () =>
      verb('guests', undefined, () => [...guests].map(([serverId, { powerState }]) => ({ serverId, powerState }))),
    onPowerChange: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    fetchImage: (ticket, progress, signal) =>
      verb('fetchImage', undefined, () => images.fetch(ticket, progress, signal)),
    removeUnusedImages: (minimumAgeSeconds) =>
      verb('removeUnusedImages', undefined, () => {
        const used = new Set(diskSpecs().map(({ image }) => contentKey(image)))
        return images.removeUnused(minimumAgeSeconds, (key) => used.has(key))
      }),
    createDisk: (spec) => verb('createDisk', spec.serverId, () => make(spec, disks)),
    createRescueDisk: (spec) => verb('createRescueDisk', spec.serverId, () => make(spec, rescueDisks)),
    removeRescueDisk: (serverId) => verb('removeRescueDisk', serverId, () => void rescueDisks.delete(serverId)),
    setDisksAside: (serverId) =>
      verb('setDisksAside', serverId, () => {
        if (aside.has(serverId)) return
        const [disk, configDrive] = [disks.get(serverId), configDrives.get(serverId)]
        if (disk || configDrive) aside.set(serverId, { ...(disk && { disk }), ...(configDrive && { configDrive }) })
        disks.delete(serverId)
        configDrives.delete(serverId)
      }),
    takeDisksBack: (serverId) =>
      verb('takeDisksBack', serverId, () => {
        const { disk, configDrive } = aside.get(serverId) ?? {}
        if (disk) disks.set(serverId, disk)
        if (configDrive) configDrives.set(serverId, configDrive)
        aside.delete(serverId)
      }),
    dropDisksAside: (serverId) => verb('dropDisksAside', serverId, () => void aside.delete(serverId)),
    missesBase: (serverId) =>
      verb('missesBase', serverId, () => {
        const disk = disks.get(serverId)
        return disk !== undefined && !images.has(disk.image)
      }),
    createConfigDrive: (spec) =>
      verb('createConfigDrive', spec.serverId, () => void configDrives.set(spec.serverId, spec)),
    snapshot: (serverId, snapshotId, progress, signal) =>
      verb('snapshot', serverId, () => {
        signal.throwIfAborted()
        if (!disks.has(serverId))
          throw new HostError('DiskMissing', `the root disk of server ${serverId} is not on host ${host}`)
        snapshots.make(serverId, snapshotId)
        progress(100)
      }),
    uploadSnapshot: (serverId, ...what) => verb('uploadSnapshot', serverId, () => snapshots.send(serverId, ...what)),
    removeSnapshot: (serverId, snapshotId) =>
      verb('removeSnapshot', serverId, () => snapshots.remove(serverId, snapshotId)),
    removeFiles: (serverId) =>
      verb('removeFiles', serverId, () => {
        snapshots.forget(serverId)
        for (const kept of [disks, rescueDisks, configDrives, aside, consoles]) kept.delete(serverId)
      }),
    plug: (serverId, ports) =>
      verb('plug', serverId, () => void (ports.length > 0 ? plugged.set(serverId, ports) : plugged.delete(serverId))),
    unplug: (serverId) => verb('unplug', serverId, () => void plugged.delete(serverId)),
    refreshPorts: (ports) =>
      verb('refreshPorts', undefined, () => {
        const newer = new Map(ports.map((port) => [port.portId, port]))
        for (const [serverId, had] of plugged)
          plugged.set(
            serverId,
            had.map((port) => {
              const facts = newer.get(port.portId) ?? port
              return port.quota ? { ...facts, quota: port.quota } : facts
            }),
          )
      }),
    applyRouters: (routers) => verb('applyRouters', undefined, () => void (told = routers)),
    plugNic: (spec) =>
      verb('plugNic', spec.serverId, () => {
        plugged.set(spec.serverId, spec.ports)
        const guest = guests.get(spec.serverId)
        if (guest) guest.spec = { ...guest.spec, ports: spec.ports }
      }),
    unplugNic: (spec, portId, signal) =>
      verb('unplugNic', spec.serverId, () => {
        signal.throwIfAborted()
        const { serverId, ports } = spec
        const guest = guests.get(serverId)
        if (isOn(serverId) && holding.has(serverId) && guest?.spec.ports.some((port) => port.portId === portId))
          throw new HostError('NicNotReleased', `the guest of server ${serverId} does not let go of port ${portId}`)
        if (ports.length > 0) plugged.set(serverId, ports)
        else plugged.delete(serverId)
        if (guest) guest.spec = { ...guest.spec, ports }
      }),
    start: (spec) =>
      verb('start', spec.serverId, () => {
        if (guests.get(spec.serverId)?.powerState !== 'running') run(spec)
      }),
    pause: (serverId) => verb('pause', serverId, () => change(going(serverId), 'paused', 'paused')),
    unpause: (serverId) => verb('unpause', serverId, () => change(going(serverId), 'running', 'resumed')),
    suspend: (serverId, progress, signal) =>
      verb('suspend', serverId, () => {
        signal.throwIfAborted()
        if (guests.get(serverId)?.saved) return
        const guest = going(serverId)
        progress(100)
        guest.saved = true
        change(guest, 'shutdown', 'stopped')
      }),
    shutdown: (serverId) =>
      verb('shutdown', serverId, () => {
        if (guests.get(serverId)?.powerState === 'running') stop(serverId, 'shutdown')
      }),
    powerOff: (serverId) =>
      verb('powerOff', serverId, () => {
        stop(serverId, 'stopped')
        const guest = guests.get(serverId)
        if (guest) guest.saved = false
      }),
    destroy: (serverId) =>
      verb('destroy', serverId, () => {
        stop(serverId, 'stopped')
        guests.delete(serverId)
      }),
    powerState: (serverId) => verb('powerState', serverId, () => guests.get(serverId)?.powerState ?? 'nostate'),
    injectNmi: (serverId) =>
      verb('injectNmi', serverId, () => {
        const guest = guests.get(serverId)
        if (guest?.powerState !== 'running' && guest?.powerState !== 'paused') return false
        consoleOf(serverId).line('Uhhuh. NMI received for unknown reason')
        return true
      }),
    setPassword: (serverId, user, password) =>
      verb('setPassword', serverId, () => {
        const guest = guests.get(serverId)
        if (guest?.powerState !== 'running') return 'notRunning'
        if (!hasAgent(guest.spec.imageProperties)) return 'noAgent'
        guest.passwords.set(user, password)
        return 'set'
      }),
    diagnostics: (serverId) =>
      verb('diagnostics', serverId, () => {
        const guest = guests.get(serverId)
        if (!guest) return undefined
        const local = localDisksIn(disks.get(serverId) ?? {})
        const names = [
          ...(disks.has(serverId) ? ['vda'] : []),
          ...Array.from({ length: local }, (_, index) => `vd${'bcdefg'[index]}`),
          ...(configDrives.has(serverId) ? ['sda'] : []),
        ]
        return fakeDiagnostics(guest, names, clock.now())
      }),
    guestNics: (serverId) =>
      verb('guestNics', serverId, () =>
        (guests.get(serverId)?.spec.ports ?? []).map(({ mac }, index) => ({
          mac,
          bus: 'pci' as const,
          address: `0000:${(index + 1).toString(16).padStart(2, '0')}:00.0`,
        })),
      ),
    consoleOutput: (serverId, maxBytes) =>
      verb('consoleOutput', serverId, () => consoles.get(serverId)?.tail(maxBytes) ?? ''),
    consoles: (serverId) => verb('consoles', serverId, () => (isOn(serverId) ? CONSOLE_KINDS : [])),
    openConsole: (serverId, kind) =>
      verb('openConsole', serverId, () => {
        const { spec } = guests.get(serverId) ?? {}
        if (!spec || !isOn(serverId))
          throw new HostError('ConsoleUnavailable', `host ${host} has no running guest ${serverId}`)
        return consoleOf(serverId).open(kind, () => [spec.name, serverId, `on ${host}`, spec.flavor.name])
      }),
    close: async () => {
      listeners.clear()
      for (const screen of consoles.values()) screen.cut()
    },
    inventory: () => ({
      guests: guests.size,
      disks: diskSpecs().reduce((sum, spec) => sum + 1 + localDisksIn(spec), 0),
      configDrives: configDrives.size,
      snapshots: snapshots.size,
      ports: [...plugged.values()].reduce((sum, ports) => sum + ports.length, 0),
      cachedImages: images.size,
      memories: [...guests.values()].filter(({ saved }) => saved).length,
      cards: [...guests.values()].reduce((sum, { spec }) => sum + spec.ports.length, 0),
    }),
    holdCards: (serverId, holds) => void (holds ? holding.add(serverId) : holding.delete(serverId)),
    loseImages: () => images.lose(),
    passwordOf: (serverId, user) => guests.get(serverId)?.passwords.get(user),
    portFacts: (portId) => [...plugged.values()].flat().find((port) => port.portId === portId),
    routers: () => told,
    happen: (serverId, powerState, event) => {
      const guest = guests.get(serverId)
      if (!guest) throw new HostError('GuestNotFound', `host ${host} has no guest ${serverId}`)
      change(guest, powerState, event)
    },
  }
}
