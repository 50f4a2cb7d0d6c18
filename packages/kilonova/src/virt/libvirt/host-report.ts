/** Measures the host: what libvirt says of the machine, and the file system that holds the instances. */
import { statfs } from 'node:fs/promises'
import { totalmem, uptime } from 'node:os'
import type { Client } from '@kilonova/libvirt/client.ts'
import type { HostReport } from '../../domain/host.ts'
import { guestsOf } from './guests.ts'
import { hostHardware } from './host-hardware.ts'
import { valueAt, valuesAt } from './xml-read.ts'

export interface ReportContext {
  readonly host: string
  readonly hostIp: string
  readonly instancesDir: string
  readonly installationId: string
  readonly accelerator: 'kvm' | 'tcg'
}

const GB = 1024 ** 3
const MB = 1024 ** 2

export async function hostReport(
  client: Client,
  { host, hostIp, instancesDir, installationId, accelerator }: ReportContext,
): Promise<HostReport> {
  const [node, hypervisorHostname, version, capabilities, guests, disk, hardware] = await Promise.all([
    client.nodeGetInfo(),
    client.connectGetHostname(),
    client.connectGetVersion(),
    client.connectGetCapabilities(),
    guestsOf(client, installationId),
    statfs(instancesDir),
    hostHardware(),
  ])
  const cpu = /<cpu>.*?<\/cpu>/s.exec(capabilities)?.[0] ?? ''
  return {
    host,
    hypervisorHostname,
    hypervisorType: 'QEMU',
    hypervisorVersion: Number(version),
    hostIp,
    vcpus: node.cpus,
    // libvirt adds up its NUMA nodes, which misses memory that was plugged in later.
    memoryMb: Math.floor(totalmem() / MB),
    diskGb: Math.floor((disk.blocks * disk.bsize) / GB),
    diskFreeGb: Math.floor((disk.bavail * disk.bsize) / GB),
    cpuInfo: {
      arch: valueAt(cpu, 'arch') ?? node.model,
      model: valueAt(cpu, 'model') ?? '',
      vendor: valueAt(cpu, 'vendor') ?? '',
      features: valuesAt(cpu, 'feature', 'name'),
      topology: { sockets: node.sockets, cores: node.cores, threads: node.threads, cells: node.nodes },
    },
    supportedInstances: ['x86_64', 'i686'].flatMap((arch) =>
      (accelerator === 'kvm' ? ['kvm', 'qemu'] : ['qemu']).map((type): [string, string, string] => [arch, type, 'hvm']),
    ),
    runningServers: guests.filter(({ powerState }) => powerState === 'running').length,
    uptimeSeconds: Math.floor(uptime()),
    hardware,
  }
}
