/** Copies of fake disks: facts that can be counted. What is sent is an image of a disk with nothing on it. */
import { Readable } from 'node:stream'
import type { UploadTicket } from '../driver.ts'
import { HostError } from '../host-error.ts'
import { sendSnapshot } from '../send-snapshot.ts'
import { tinyQcow2 } from './tiny-qcow2.ts'

export interface FakeSnapshots {
  readonly size: number
  make(serverId: string, snapshotId: string): void
  send(
    serverId: string,
    snapshotId: string,
    ticket: UploadTicket,
    progress: (percent: number) => void,
    signal: AbortSignal,
  ): Promise<void>
  remove(serverId: string, snapshotId: string): void
  /** All of a server's. */
  forget(serverId: string): void
}

export function fakeSnapshots(host: string): FakeSnapshots {
  const made = new Set<string>()
  const keyOf = (serverId: string, snapshotId: string): string => `${serverId}/${snapshotId}`
  return {
    get size() {
      return made.size
    },
    make: (serverId, snapshotId) => void made.add(keyOf(serverId, snapshotId)),
    send: async (serverId, snapshotId, ticket, progress, signal) => {
      if (!made.has(keyOf(serverId, snapshotId)))
        throw new HostError('SnapshotMissing', `the copy of server ${serverId} is not on host ${host}`)
      const bytes = tinyQcow2()
      await sendSnapshot({ ticket, stream: Readable.from([bytes]), sizeBytes: bytes.length, progress, signal })
    },
    remove: (serverId, snapshotId) => void made.delete(keyOf(serverId, snapshotId)),
    forget: (serverId) => {
      for (const key of made) if (key.startsWith(`${serverId}/`)) made.delete(key)
    },
  }
}
