/** The hypervisors of this process: one real one, or as many fake ones as asked for. */
import { join } from 'node:path'
import type { Clock } from '@kilonova/base/clock.ts'
import type { Log } from '@kilonova/base/log.ts'
import { guestOptions } from '@kilonova/kilonova/bin/guest-options.ts'
import { fakeDriver } from '@kilonova/kilonova/virt/fake/driver.ts'
import { imageLimits, type KilonovaConfig } from '@kilonova/kilonova/config/index.ts'
import type { Driver } from '@kilonova/kilonova/virt/driver.ts'
import type { CloudOptions } from './options.ts'
import { keepHostName } from './host-name.ts'
import type { StateDir } from './state-dir.ts'

export interface DriverReach {
  /** Where guests' requests for metadata are passed on to. */
  readonly metadataUrl: string
  readonly log: Log
  readonly clock: Clock
}
export type Drivers = ReadonlyMap<string, Driver>

/** By host name. */
export const driversOf = async (
  options: CloudOptions,
  config: KilonovaConfig,
  state: StateDir,
  reach: DriverReach,
): Promise<Drivers> =>
  options.driver === 'fake' ? fakeDrivers(options.hosts, reach.clock) : libvirtDrivers(config, state, reach)

const fakeDrivers = (count: number, clock: Clock): Drivers =>
  new Map(
    Array.from({ length: count }, (_, index) => `fake-${String(index + 1).padStart(String(count).length, '0')}`).map(
      (host) => [host, fakeDriver({ host, clock })],
    ),
  )

const ACCELERATORS = { auto: 'auto', kvm: 'kvm', qemu: 'tcg' } as const

/** Starts libvirtd if none of ours runs, finds the guests' networks again. What it needs is loaded only here. */
async function libvirtDrivers(
  config: KilonovaConfig,
  state: StateDir,
  { metadataUrl, log, clock }: DriverReach,
): Promise<Drivers> {
  const { path: stateDir, installationId } = state
  const { host } = config.DEFAULT
  keepHostName(stateDir, host)
  const [{ ensureLibvirtd }, { libvirtDriver }, { hostNetwork }] = await Promise.all([
    import('@kilonova/kilonova/virt/libvirt/libvirtd.ts'),
    import('@kilonova/kilonova/virt/libvirt/driver.ts'),
    import('@kilonova/kilonova/virt/network/host-network.ts'),
  ])
  const instancesDir = join(stateDir, 'instances')
  const revive = () => ensureLibvirtd({ stateDir, instancesDir, log: log.in(import.meta) })
  const { socketPath } = await revive()
  const network = await hostNetwork({
    installationId,
    stateDir,
    metadata: { proxyTo: metadataUrl, sharedSecret: state.secrets.metadataSecret },
    beyond: config.guest_networks.reach_beyond_host,
    log,
    clock,
  })
  const driver = await libvirtDriver({
    connection: { socketPath, revive },
    installationId,
    instancesDir,
    stateDir,
    network,
    accelerator: ACCELERATORS[config.libvirt.virt_type],
    host,
    hostIp: config.DEFAULT.my_ip,
    imageLimits: imageLimits(config),
    detach: {
      attempts: config.libvirt.device_detach_attempts,
      timeoutMs: config.libvirt.device_detach_timeout * 1000,
    },
    configDriveFormat: config.DEFAULT.config_drive_format,
    guests: guestOptions(config),
    ephemeralFormat: config.DEFAULT.default_ephemeral_format,
    log,
    clock,
  })
  // A new libvirtd takes seconds to learn what this machine's QEMU can do; the first report asks for it.
  await driver.report()
  return new Map([
    [host, { ...driver, close: async () => void (await Promise.all([driver.close(), network.close()])) }],
  ])
}
