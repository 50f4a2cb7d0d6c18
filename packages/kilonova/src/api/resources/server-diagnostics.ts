/** What a guest has used and done: until 2.47 as its hypervisor names it, from 2.48 alike for all. */
import type { Diagnostics } from '../../domain/diagnostics.ts'
import type { Server } from '../../domain/server.ts'
import type { PowerState } from '../../domain/states.ts'
import { get, view } from '../resource.ts'
import { askHost } from './at-once.ts'
import { serverTarget } from './server-target.ts'

interface Seen {
  readonly server: Server
  readonly diagnostics: Diagnostics
  readonly uptimeSeconds: number
}

const NOTHING: Diagnostics = {
  powerState: 'nostate',
  hypervisor: '',
  memoryMaximumKib: 0,
  memoryUsedKib: 0,
  memoryDetails: {},
  cpus: [],
  disks: [],
  nics: [],
}
const STATES: Readonly<Record<PowerState, string>> = {
  nostate: 'pending',
  running: 'running',
  paused: 'paused',
  shutdown: 'shutdown',
  crashed: 'crashed',
  suspended: 'suspended',
}
const mib = (kib: number): number => Math.floor(kib / 1024)

/** Memory in KiB. QEMU counts no errors of disks, which libvirt says by -1. */
function asHypervisorsSay({ diagnostics }: Seen): Record<string, number> {
  const { cpus, disks, nics, memoryMaximumKib, memoryDetails } = diagnostics
  return Object.fromEntries([
    ...cpus.map(({ id, timeNs }) => [`cpu${id}_time`, timeNs]),
    ...disks.flatMap(({ name, readRequests, readBytes, writeRequests, writeBytes }) => [
      [`${name}_read_req`, readRequests],
      [`${name}_read`, readBytes],
      [`${name}_write_req`, writeRequests],
      [`${name}_write`, writeBytes],
      [`${name}_errors`, -1],
    ]),
    ...nics.flatMap((nic) => [
      [`${nic.name}_rx`, nic.rxBytes],
      [`${nic.name}_rx_packets`, nic.rxPackets],
      [`${nic.name}_rx_errors`, nic.rxErrors],
      [`${nic.name}_rx_drop`, nic.rxDropped],
      [`${nic.name}_tx`, nic.txBytes],
      [`${nic.name}_tx_packets`, nic.txPackets],
      [`${nic.name}_tx_errors`, nic.txErrors],
      [`${nic.name}_tx_drop`, nic.txDropped],
    ]),
    ['memory', memoryMaximumKib],
    ...Object.entries(memoryDetails).map(([name, kib]) => [`memory-${name}`, kib]),
  ])
}

/** What nobody measures is null. */
const alike = view<Seen>({
  state: ({ diagnostics }) => STATES[diagnostics.powerState],
  // One of upstream's words: its own hypervisor in memory says so, too.
  driver: () => 'libvirt',
  hypervisor: ({ diagnostics }) => diagnostics.hypervisor,
  hypervisor_os: () => 'linux',
  uptime: ({ uptimeSeconds }) => uptimeSeconds,
  config_drive: ({ server }) => server.configDrive,
  num_cpus: ({ diagnostics }) => diagnostics.cpus.length,
  num_nics: ({ diagnostics }) => diagnostics.nics.length,
  num_disks: ({ diagnostics }) => diagnostics.disks.length,
  disk_details: ({ diagnostics }) =>
    diagnostics.disks.map((disk) => ({
      read_bytes: disk.readBytes,
      read_requests: disk.readRequests,
      write_bytes: disk.writeBytes,
      write_requests: disk.writeRequests,
      errors_count: null,
    })),
  cpu_details: ({ diagnostics }) => diagnostics.cpus.map(({ id, timeNs }) => ({ id, time: timeNs, utilisation: null })),
  nic_details: ({ diagnostics }) =>
    diagnostics.nics.map((nic) => ({
      mac_address: nic.mac,
      rx_octets: nic.rxBytes,
      rx_errors: nic.rxErrors,
      rx_drop: nic.rxDropped,
      rx_packets: nic.rxPackets,
      rx_rate: null,
      tx_octets: nic.txBytes,
      tx_errors: nic.txErrors,
      tx_drop: nic.txDropped,
      tx_packets: nic.txPackets,
      tx_rate: null,
    })),
  memory_details: ({ diagnostics }) => ({
    maximum: mib(diagnostics.memoryMaximumKib),
    used: mib(diagnostics.memoryUsedKib),
  }),
})

export const serverDiagnostics = [
  get('/servers/:id/diagnostics', {
    policy: 'os_compute_api:os-server-diagnostics',
    target: serverTarget,
    run: async (ctx, { target }): Promise<Seen> => {
      const seen = await askHost(ctx, target, (host) => host.diagnostics({ serverId: target.id }))
      const diagnostics = seen ?? NOTHING
      const uptimeSeconds = Math.floor((ctx.clock.now() - (target.launchedAt ?? ctx.clock.now())) / 1000)
      return { server: target, diagnostics, uptimeSeconds }
    },
    view: { '2.1': asHypervisorsSay, '2.48': alike },
  }),
]
