/** The contract cases against real libvirtd, its test driver and its QEMU driver. Needs root, libvirt and QEMU; fails without. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'
import { contractCases } from '../contract/cases.ts'
import { guestCases } from '../contract/guest-cases.ts'
import { streamCases } from '../contract/stream-cases.ts'
import { connect } from '../src/client.ts'
import type { Target } from '../src/socket.ts'
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

const unix: Target = { path: given ?? daemon?.socket ?? '' }
const carriers: readonly (readonly [string, Target])[] = daemon
  ? [['a unix socket', unix], ['TCP', { host: '127.0.0.1', port: daemon.tcpPort }]]
  : [['a unix socket', unix]]
const poolDirectory = async (t: TestContext): Promise<string> => {
  const directory = await mkdtemp(join(scratch, 'pool-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  return directory
}

contractCases({
  name: 'test driver over a unix socket',
  connect: (options) => connect(unix, { uri: 'test:///default', ...options }),
  domainXml: (name, uuid) => `<domain type='test'><name>${name}</name>${uuid ? `<uuid>${uuid}</uuid>` : ''}<memory>65536</memory><os><type>hvm</type></os></domain>`,
  missingNetwork: 'NO_NETWORK',
  poolDirectory,
})
for (const [carrier, target] of carriers) {
  const qemu = {
    name: `QEMU over ${carrier}`,
    connect: (options: Parameters<typeof connect>[1]) => connect(target, options),
    domainXml: echoGuestXml(floppy),
    missingNetwork: 'NO_NETWORK' as const,
    poolDirectory,
  }
  contractCases(qemu)
  streamCases(qemu)
  guestCases(qemu)
}
