/** What a fake host says of itself. */
import type { HostReport } from '../../domain/host.ts'

export const fakeReport = (
  host: string,
  size: { readonly vcpus: number; readonly memoryMb: number; readonly diskGb: number },
  used: { readonly diskGb: number; readonly runningServers: number; readonly uptimeSeconds: number },
): HostReport => ({
  host,
  hypervisorHostname: host,
  hypervisorType: 'fake',
  hypervisorVersion: 1_000,
  hostIp: '127.0.0.1',
  ...size,
  diskFreeGb: Math.max(0, size.diskGb - used.diskGb),
  cpuInfo: {
    arch: 'x86_64',
    model: 'Nehalem',
    vendor: 'Intel',
    features: ['pge', 'clflush'],
    topology: { cores: 1, threads: 1, sockets: size.vcpus },
  },
  supportedInstances: [['x86_64', 'fake', 'hvm']],
  runningServers: used.runningServers,
  uptimeSeconds: used.uptimeSeconds,
  hardware: { features: ['uefi', 'secureBoot', 'nicQuotas'], hugePages: [] },
})
