/** Real QEMU guests: block jobs, migration between two daemons, a daemon that is killed, more long calls than it reads ahead. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { collect, connected, defined } from '../contract/cases.ts'
import type { ContractTarget } from '../contract/target.ts'
import { connect } from '../src/client.ts'
import { ConnectDomainEventBlockJobStatus, DomainMigrateFlags, DomainState } from '../src/constants.gen.ts'
import { ConnectionLostError } from '../src/errors.ts'
import { param, paramsToRecord } from '../src/typed-params.ts'
import { echoFloppy, echoGuestXml } from './echo-guest.ts'
import { type PrivateLibvirtd, privateLibvirtd } from './private-libvirtd.ts'

const run = promisify(execFile)
const scratch = await mkdtemp(join(tmpdir(), 'libvirt-jobs-'))
const floppy = join(scratch, 'echo.img')
await writeFile(floppy, echoFloppy())
const [here, there] = await Promise.all([privateLibvirtd(), privateLibvirtd()])
after(async () => {
  await Promise.all([here.remove(), there.remove()])
  await rm(scratch, { recursive: true, force: true })
})

const targetOf = (daemon: PrivateLibvirtd, more = ''): ContractTarget => ({
  name: 'QEMU',
  connect: (options) => connect({ path: daemon.socket }, options),
  domainXml: (name, uuid) => echoGuestXml(floppy)(name, uuid).replace('</devices>', `${more}</devices>`),
  missingNetwork: 'NO_NETWORK',
  poolDirectory: async () => scratch,
})
const limits = { timeout: 120_000 }

test('a block job tells when it is done', limits, async (t) => {
  const base = join(scratch, 'base.qcow2')
  const overlay = join(scratch, 'overlay.qcow2')
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', base, '4M'])
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', base, overlay])
  const target = targetOf(
    here,
    `<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${overlay}'/><target dev='vda' bus='virtio'/></disk>`,
  )
  const client = await connected(t, target)
  const domain = await defined(t, client, target)
  await client.domainCreateWithFlags(domain)
  const jobs = await collect(client, 'blockJob', domain)
  await client.domainBlockPull(domain, 'vda', 0)
  const { dst, status } = await jobs.next(() => true)
  assert.deepEqual([dst, status], ['vda', ConnectDomainEventBlockJobStatus.COMPLETED])
})

test('a migration tells its iterations and its end', limits, async (t) => {
  const client = await connected(t, targetOf(here))
  const domain = await defined(t, client, targetOf(here))
  const running = await client.domainCreateWithFlags(domain)
  const iterations = await collect(client, 'migrationIteration', domain)
  const ends = await collect(client, 'jobCompleted', domain)
  const { PEER2PEER, UNSAFE, UNDEFINE_SOURCE } = DomainMigrateFlags
  await client.domainMigratePerform3Params(
    running,
    `qemu+tcp://127.0.0.1:${there.tcpPort}/system`,
    [param.string('migrate_uri', 'tcp://127.0.0.1')],
    new Uint8Array(),
    PEER2PEER | UNSAFE | UNDEFINE_SOURCE,
  )
  assert((await iterations.next(() => true)).iteration >= 1)
  const { params } = await ends.next(() => true)
  assert.equal(typeof paramsToRecord(params)['memory_total'], 'bigint')
  const remote = await connected(t, targetOf(there))
  assert.equal((await remote.domainGetState(await remote.domainLookupByUUID(domain.uuid))).state, DomainState.RUNNING)
  await remote.domainDestroyFlags(domain)
})

test('more long calls than the daemon reads ahead leave the connection alive', limits, async (t) => {
  const client = await targetOf(here).connect({ keepalive: { intervalMs: 100, count: 2 } })
  t.after(() => client.close())
  const domains = await Promise.all(Array.from({ length: 7 }, () => defined(t, client, targetOf(here))))
  await Promise.all(domains.map((domain) => client.domainCreateWithFlags(domain)))
  await Promise.all(domains.map((domain) => client.domainDestroyFlags(domain)))
  assert.equal(client.closed, undefined)
  assert.notEqual(await client.connectGetHostname(), '')
})

test('a daemon that is killed loses the calls, not the guests', limits, async (t) => {
  const target = targetOf(here)
  const client = await target.connect()
  const domain = await defined(t, client, target)
  await client.domainCreateWithFlags(domain)
  const closed = once(client, 'close')
  const pending = Promise.allSettled(Array.from({ length: 50 }, () => client.connectGetCapabilities()))
  await here.kill()
  await closed
  assert(client.closed instanceof ConnectionLostError)
  assert((await pending).some((result) => result.status === 'rejected' && result.reason === client.closed))
  await here.start()
  const again = await connected(t, target)
  assert.equal((await again.domainGetState(domain)).state, DomainState.RUNNING)
})
