/**
 * The sockets of a running guest's consoles, as QEMU opened them: read from what libvirt says of the guest now. libvirtd and QEMU
 * see our folders under the system's names (libvirtd.sh); here they are called by our own.
 */
import { once } from 'node:events'
import { mkdir, open, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { CONSOLE_KINDS, type ConsoleKind } from '../../domain/console.ts'
import { HostError } from '../host-error.ts'
import { valuesAt } from './xml-read.ts'

/** As QEMU sees it: short, whatever our folder is called, since a socket's path may have 107 bytes. */
export const serialSocketPath = (serverId: string): string => `/run/libvirt/consoles/${serverId}.serial`
const socketFolder = (stateDir: string): string => join(stateDir, 'libvirt/run/consoles')

/** Before a guest starts. QEMU replaces the socket of an earlier life itself. */
export async function prepareConsoles(stateDir: string): Promise<void> {
  await mkdir(socketFolder(stateDir), { recursive: true, mode: 0o700 })
}

export const removeConsoles = (stateDir: string, serverId: string): Promise<void> =>
  rm(join(socketFolder(stateDir), basename(serialSocketPath(serverId))), { force: true })

/** Paths as QEMU sees them. A guest that was started before serial lines had sockets has none until it is stopped and started. */
export function consolesIn(domainXml: string): ReadonlyMap<ConsoleKind, string> {
  const [serial = ''] = /<serial type=['"]unix['"][^]*?<\/serial>/.exec(domainXml) ?? []
  const paths = {
    vnc: valuesAt(domainXml, 'graphics', 'socket')[0] ?? valuesAt(domainXml, 'listen', 'socket')[0],
    serial: valuesAt(serial, 'source', 'path')[0],
  }
  return new Map(CONSOLE_KINDS.flatMap((kind) => (paths[kind] === undefined ? [] : [[kind, paths[kind]] as const])))
}

const FOLDERS = [
  ['/var/lib/libvirt/', 'libvirt/lib'],
  ['/run/libvirt/', 'libvirt/run'],
  ['/var/run/libvirt/', 'libvirt/run'],
] as const

function ownPath(stateDir: string, path: string): string {
  const found = FOLDERS.find(([prefix]) => path.startsWith(prefix))
  return found ? join(stateDir, found[1], path.slice(found[0].length)) : path
}

/** Errors: ConsoleUnavailable. */
export async function connectConsole(stateDir: string, path: string): Promise<Socket> {
  const own = ownPath(stateDir, path)
  try {
    const folder = await open(dirname(own))
    try {
      // By the folder's number: the whole path may be longer than a socket's may be.
      const socket = connect({ path: `/proc/self/fd/${folder.fd}/${basename(own)}` })
      await once(socket, 'connect')
      return socket
    } finally {
      await folder.close()
    }
  } catch (error) {
    throw new HostError('ConsoleUnavailable', `the guest's console does not answer: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
