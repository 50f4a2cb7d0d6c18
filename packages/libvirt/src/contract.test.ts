/** The contract cases against the fake; e2e/ runs the same against real libvirtd. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { contractCases } from '../contract/cases.ts'
import { guestCases } from '../contract/guest-cases.ts'
import { agentCases, monitorCases } from '../contract/qemu-cases.ts'
import { streamCases } from '../contract/stream-cases.ts'
import type { ContractTarget } from '../contract/target.ts'
import { connect } from './client.ts'
import { fakeLibvirtd } from './fake/fake-libvirtd.ts'

const domainXml = (name: string, uuid?: string): string =>
  `<domain type='qemu'><name>${name}</name>${uuid ? `<uuid>${uuid}</uuid>` : ''}<memory unit='MiB'>64</memory><vcpu>1</vcpu></domain>`

const agentDomainXml = (name: string, uuid?: string): string =>
  domainXml(name, uuid).replace(
    '</domain>',
    "<devices><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel></devices></domain>",
  )

const dir = await mkdtemp(join(tmpdir(), 'fake-libvirtd-'))
const overUnix = await fakeLibvirtd({ listen: { path: join(dir, 'sock') } })
const overTcp = await fakeLibvirtd({ listen: { port: 0 } })
overTcp.weather.wire.pieceBytes = 7
overTcp.weather.wire.mergePackets = 3
after(async () => {
  await Promise.all([overUnix.close(), overTcp.close()])
  await rm(dir, { recursive: true })
})

for (const [name, fake] of [
  ['fake over a unix socket', overUnix],
  ['fake over TCP, packets cut and merged', overTcp],
] as const) {
  const target: ContractTarget = {
    name,
    domainXml,
    poolDirectory: async () => '/anywhere',
    missingNetwork: 'NO_SUPPORT',
    connect: (options) => connect(fake.target, options),
  }
  contractCases(target)
  streamCases(target)
  guestCases(target)
  monitorCases(target)
  agentCases({ ...target, domainXml: agentDomainXml }, async (_client, { uuid }) => ({
    start: async () => fake.hypervisor.setAgent(fake.hypervisor.find({ uuid }), true),
    stop: async () => fake.hypervisor.setAgent(fake.hypervisor.find({ uuid }), false),
  }))
}
