/** The highest epoch this host has seen of each server. It only grows; on disk it is a log of lines, made short when opened. */
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock } from '@kilonova/base/clock.ts'

export interface FenceStore {
  /** 0 for a server never seen. */
  highest(serverId: string): number
  /** Remembers the epoch if it is higher. When this returns, a kill of the process does not lose it. */
  raise(serverId: string, epoch: number): void
  close(): void
}

export function memoryFences(): FenceStore {
  const epochs = new Map<string, number>()
  const highest = (serverId: string): number => epochs.get(serverId) ?? 0
  return {
    highest,
    raise: (serverId, epoch) => void (epoch > highest(serverId) && epochs.set(serverId, epoch)),
    close: () => {},
  }
}

/** No message is that old: a server untouched for so long needs no fence. */
const FORGET_AFTER_MS = 30 * 24 * 3600 * 1000

/** One line per raise: `<server id> <epoch> <time>`. A line begins with its line break, so that one cut short spoils no other. */
export function fileFences(path: string, clock: Clock): FenceStore {
  mkdirSync(dirname(path), { recursive: true })
  const fences = read(path, clock.now() - FORGET_AFTER_MS)
  const fresh = `${path}.new`
  writeFileSync(fresh, [...fences].map(([serverId, fence]) => line(serverId, fence)).join(''), {
    mode: 0o600,
    flush: true,
  })
  renameSync(fresh, path)
  const file = openSync(path, 'a', 0o600)

  const highest = (serverId: string): number => fences.get(serverId)?.epoch ?? 0
  return {
    highest,
    raise: (serverId, epoch) => {
      if (epoch <= highest(serverId)) return
      const fence = { epoch, at: clock.now() }
      const text = line(serverId, fence)
      if (writeSync(file, text) !== Buffer.byteLength(text))
        throw new Error(`${path} cannot be written: the disk is full`)
      fences.set(serverId, fence)
    },
    close: () => closeSync(file),
  }
}

interface Fence {
  readonly epoch: number
  readonly at: number
}
const line = (serverId: string, { epoch, at }: Fence): string => `\n${serverId} ${epoch} ${at}`

function read(path: string, oldest: number): Map<string, Fence> {
  const fences = new Map<string, Fence>()
  for (const text of contentOf(path).split('\n')) {
    const match = /^(\S+) (\d+) (\d+)$/.exec(text)
    if (!match) continue
    const [, serverId = '', epoch, at] = match
    if (Number(at) >= oldest && Number(epoch) > (fences.get(serverId)?.epoch ?? 0))
      fences.set(serverId, { epoch: Number(epoch), at: Number(at) })
  }
  return fences
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw error
  }
}
