/** The hypervisors of this process: one real one, or as many fake ones as asked for. */
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '@kilonova/base/clock.ts'
import type { Log } from '@kilonova/base/log.ts'
import { fakeDriver } from '@kilonova/kilonova/virt/fake/driver.ts'
import type { Driver } from '@kilonova/kilonova/virt/driver.ts'

export interface DriverOptions {
  readonly stateDir: string
  readonly installationId: string
  readonly metadata: { readonly proxyTo: string; readonly sharedSecret: string }
  readonly virtType: 'auto' | 'kvm' | 'qemu'
  readonly hostIp: string
  readonly log: Log
  readonly clock: Clock
}

export const fakeDrivers = (count: number, clock: Clock): ReadonlyMap<string, Driver> =>
  new Map(Array.from({ length: count }, (_, index) => `fake-${String(index + 1).padStart(String(count).length, '0')}`).map((host) => [host, fakeDriver({ host, clock })]))

const ACCELERATORS = { auto: 'auto', kvm: 'kvm', qemu: 'tcg' } as const

/** Starts libvirtd if none of ours runs, finds the guests' networks again. What it needs is loaded only here. */
export async function libvirtDrivers(options: DriverOptions): Promise<ReadonlyMap<string, Driver>> {
  const { stateDir, installationId, log, clock } = options
  const [{ ensureLibvirtd }, { libvirtDriver }, { hostNetwork }] = await Promise.all([
    import('@kilonova/kilonova/virt/libvirt/libvirtd.ts'),
    import('@kilonova/kilonova/virt/libvirt/driver.ts'),
    import('@kilonova/kilonova/virt/network/host-network.ts'),
  ])
  const revive = () => ensureLibvirtd({ stateDir, log: log.in(import.meta) })
  const { socketPath } = await revive()
  const network = await hostNetwork({ installationId, stateDir, metadata: options.metadata, log, clock })
  const host = hostname()
  const driver = await libvirtDriver({
    connection: { socketPath, revive },
    installationId,
    instancesDir: join(stateDir, 'instances'),
    stateDir,
    network,
    accelerator: ACCELERATORS[options.virtType],
    host,
    hostIp: options.hostIp,
    log,
    clock,
  })
  return new Map([[host, { ...driver, close: async () => void (await Promise.all([driver.close(), network.close()])) }]])
}
