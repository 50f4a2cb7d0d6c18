/** The contract cases against real libvirtd, its test driver and its QEMU driver. Needs root, libvirt and QEMU; fails without. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'
import { contractCases } from '../contract/cases.ts'
import { guestCases } from '../contract/guest-cases.ts'
import { agentCases, monitorCases } from '../contract/qemu-cases.ts'
import { streamCases } from '../contract/stream-cases.ts'
import type { ContractTarget } from '../contract/target.ts'
import { connect } from '../src/client.ts'
import type { Target } from '../src/socket.ts'
import { agentGuestFiles, agentGuestXml, agentOnConsole } from './agent-guest.ts'
import { echoFloppy, echoGuestXml } from './echo-guest.ts'
import { privateLibvirtd } from './private-libvirtd.ts'

/** A libvirtd that runs already may be named; else one of our own is started. */
const given = process.env['KILONOVA_LIBVIRT_SOCKET']
const daemon = given === undefined ? await privateLibvirtd() : undefined
const scratch = await mkdtemp(join(tmpdir(), 'libvirt-contract-'))
after(async () => {
  await daemon?.remove()
  await rm(scratch, { recursive: true, force: true })
})
const floppy = join(scratch, 'echo.img')
await writeFile(floppy, echoFloppy())
// Before the first case is told: a file is over as soon as those it has told so far are, and then its libvirtd goes.
const agentFiles = await agentGuestFiles(scratch)

const unix: Target = { path: given ?? daemon?.socket ?? '' }
const poolDirectory = async (t: TestContext): Promise<string> => {
  const directory = await mkdtemp(join(scratch, 'pool-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  return directory
}

const overTestDriver = (carrier: string, target: Target): ContractTarget => ({
  name: `test driver over ${carrier}`,
  connect: (options) => connect(target, { uri: 'test:///default', ...options }),
  domainXml: (name, uuid) =>
    `<domain type='test'><name>${name}</name>${uuid ? `<uuid>${uuid}</uuid>` : ''}<memory>65536</memory><os><type>hvm</type></os></domain>`,
  missingNetwork: 'NO_NETWORK',
  poolDirectory,
})
const overQemu = (carrier: string, target: Target): ContractTarget => ({
  ...overTestDriver(carrier, target),
  name: `QEMU over ${carrier}`,
  connect: (options) => connect(target, options),
  domainXml: echoGuestXml(floppy),
})

contractCases(overTestDriver('a unix socket', unix))
contractCases(overQemu('a unix socket', unix))
streamCases(overQemu('a unix socket', unix))
guestCases(overQemu('a unix socket', unix))
monitorCases(overQemu('a unix socket', unix))
agentCases({ ...overQemu('a unix socket', unix), domainXml: agentGuestXml(agentFiles) }, agentOnConsole)
if (daemon) {
  const tcp: Target = { host: '127.0.0.1', port: daemon.tcpPort }
  contractCases(overTestDriver('TCP', tcp))
  streamCases(overQemu('TCP', tcp))
}
