/**
 * Copies of root disks. A guest that runs is copied by QEMU itself, as its disk was when the copy began (a push backup): the guest goes on,
 * and what it writes meanwhile is not in the copy. A disk that nobody has open is converted. The file appears whole or not at all.
 */
import { createReadStream } from 'node:fs'
import { chmod, rename, rm, stat, statfs } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { DomainGetJobStatsFlags, DomainJobType, DomainState } from '@kilonova/libvirt/constants.gen.ts'
import { isLibvirtError } from '@kilonova/libvirt/errors.ts'
import type { Client } from '@kilonova/libvirt/client.ts'
import type { Domain } from '@kilonova/libvirt/protocol-types.gen.ts'
import { HostError } from '../host-error.ts'
import { sendSnapshot } from '../send-snapshot.ts'
import type { UploadTicket } from '../driver.ts'
import { command } from './command.ts'
import type { Connection } from './connection.ts'
import { diskAt, exists, isDiskFull } from './disk.ts'
import { snapshotFile, type ServerFiles } from './files.ts'
import { ifThere, lookUp } from './guests.ts'
import { element, render } from './xml.ts'

export interface SnapshotContext {
  readonly connection: Connection
  readonly installationId: string
  readonly filesOf: (serverId: string) => ServerFiles
  readonly host: string
}

export interface Snapshots {
  make(serverId: string, snapshotId: string, progress: (percent: number) => void, signal: AbortSignal): Promise<void>
  send(
    serverId: string,
    snapshotId: string,
    ticket: UploadTicket,
    progress: (percent: number) => void,
    signal: AbortSignal,
  ): Promise<void>
  remove(serverId: string, snapshotId: string): Promise<void>
}

const LOOK_MS = 100
const CONVERT_MS = 12 * 3600_000
const IN_USE: ReadonlySet<number> = new Set([
  DomainState.RUNNING,
  DomainState.BLOCKED,
  DomainState.PAUSED,
  DomainState.SHUTDOWN,
  DomainState.PMSUSPENDED,
])

export function snapshots({ connection, installationId, filesOf, host }: SnapshotContext): Snapshots {
  /** What is being made, by file: a removal ends it first. */
  const running = new Map<string, { readonly abort: AbortController; readonly done: Promise<void> }>()

  async function copy(
    serverId: string,
    file: string,
    progress: (percent: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { disk } = filesOf(serverId)
    if (!(await exists(disk)))
      throw new HostError('DiskMissing', `the root disk of server ${serverId} is not on host ${host}`)
    const partial = `${file}.part`
    try {
      // A copy that an earlier process of ours began still runs in QEMU, into a file that is not wanted any more.
      const live = await connection.use(async (client) => {
        const domain = await lookUp(client, installationId, serverId)
        if (!domain) return false
        const state = await ifThere(client.domainGetState(domain))
        if (!state || !IN_USE.has(state.state)) return false
        await endJob(client, domain)
        await rm(partial, { force: true })
        await client.domainBackupBegin(domain, backupXml(await diskName(client, domain, disk), partial))
        return true
      })
      if (live) await followBackup(serverId, progress, signal)
      else {
        await diskAt(disk)
        await command('qemu-img', ['convert', '-q', '-f', 'qcow2', '-O', 'qcow2', disk, partial], {
          timeoutMs: CONVERT_MS,
          signal,
        })
      }
      await chmod(partial, 0o600)
      await rename(partial, file)
    } catch (error) {
      await rm(partial, { force: true })
      if (isDiskFull(error))
        throw new HostError('DiskFull', `the disk of host ${host} is full: server ${serverId} cannot be copied`, {
          cause: error,
        })
      throw error
    }
  }

  async function followBackup(
    serverId: string,
    progress: (percent: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    for (;;) {
      const ended = await connection.use(async (client) => {
        const domain = await lookUp(client, installationId, serverId)
        if (!domain) throw lost(serverId)
        if (signal.aborted) {
          await endJob(client, domain)
          throw signal.reason
        }
        const { type, fileTotal, fileProcessed } = await client.domainGetJobInfo(domain)
        if (type !== DomainJobType.NONE) {
          if (fileTotal > 0n) progress(Number((fileProcessed * 100n) / fileTotal))
          return false
        }
        await succeeded(client, domain, serverId)
        return true
      })
      if (ended) return
      // Libvirt announces the end, but not on a connection that came later.
      await delay(LOOK_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  async function room(serverId: string): Promise<void> {
    const { folder, disk } = filesOf(serverId)
    if (!(await exists(disk))) return
    const [{ bavail, bsize }, { blocks }] = await Promise.all([statfs(folder), stat(disk)])
    if (bavail * bsize < blocks * 512)
      throw new HostError('DiskFull', `the disk of host ${host} is full: server ${serverId} cannot be copied`)
  }

  return {
    make: async (serverId, snapshotId, progress, signal) => {
      const file = snapshotFile(filesOf(serverId), snapshotId)
      if (!(await exists(file))) {
        await room(serverId)
        const abort = new AbortController()
        const done = (running.get(file)?.done ?? Promise.resolve())
          .catch(() => undefined)
          .then(() => copy(serverId, file, progress, AbortSignal.any([signal, abort.signal])))
        running.set(file, { abort, done })
        await done.finally(() => running.get(file)?.done === done && running.delete(file))
      }
      progress(100)
    },
    send: async (serverId, snapshotId, ticket, progress, signal) => {
      const file = snapshotFile(filesOf(serverId), snapshotId)
      if (!(await exists(file)))
        throw new HostError('SnapshotMissing', `the copy of server ${serverId} is not on host ${host}`)
      const { size } = await stat(file)
      await sendSnapshot({ ticket, stream: createReadStream(file), sizeBytes: size, progress, signal })
    },
    remove: async (serverId, snapshotId) => {
      const file = snapshotFile(filesOf(serverId), snapshotId)
      const making = running.get(file)
      making?.abort.abort(new Error('the copy is not wanted any more'))
      await making?.done.catch(() => undefined)
      // One of an earlier process of ours: without its job, the file is nobody's.
      if (await exists(`${file}.part`))
        await connection.use(async (client) => {
          const domain = await lookUp(client, installationId, serverId)
          if (domain) await endJob(client, domain)
        })
      await Promise.all([file, `${file}.part`].map((path) => rm(path, { force: true })))
    },
  }
}

const lost = (serverId: string): HostError =>
  new HostError('SnapshotFailed', `the guest of server ${serverId} ended while its disk was copied`, {
    retryable: true,
  })

/** Ends the backup that runs on the guest, if one does; returns when it has ended. */
async function endJob(client: Client, domain: Domain): Promise<void> {
  for (;;) {
    const info = await ifThere(client.domainGetJobInfo(domain)).catch((error: unknown) => {
      if (isLibvirtError(error, 'OPERATION_INVALID')) return undefined
      throw error
    })
    if (!info || info.type === DomainJobType.NONE) return
    await client.domainAbortJob(domain).catch((error: unknown) => {
      // It ended just now.
      if (!isLibvirtError(error, 'OPERATION_INVALID')) throw error
    })
    await delay(LOOK_MS)
  }
}

async function succeeded(client: Client, domain: Domain, serverId: string): Promise<void> {
  const { type, params } = await client.domainGetJobStats(domain, DomainGetJobStatsFlags.COMPLETED)
  if (type === DomainJobType.COMPLETED) return
  const said = params.find(({ field }) => field === 'errmsg')?.value
  throw new HostError(
    'SnapshotFailed',
    `the disk of server ${serverId} could not be copied${typeof said === 'string' ? `: ${said}` : ''}`,
    { retryable: true },
  )
}

/** `vda` and the like, by the file. */
async function diskName(client: Client, domain: Domain, file: string): Promise<string> {
  const xml = await client.domainGetXMLDesc(domain)
  for (const [, disk = ''] of xml.matchAll(/<disk [^>]*>([^]*?)<\/disk>/g))
    if (disk.includes(`file='${file}'`)) return /<target dev='(\w+)'/.exec(disk)?.[1] ?? ''
  throw new HostError('DiskMissing', `the guest does not use ${file}`)
}

const backupXml = (name: string, file: string): string =>
  render(
    element(
      'domainbackup',
      { mode: 'push' },
      element(
        'disks',
        {},
        element(
          'disk',
          { name, backup: 'yes', type: 'file' },
          element('target', { file }),
          element('driver', { type: 'qcow2' }),
        ),
      ),
    ),
  )
