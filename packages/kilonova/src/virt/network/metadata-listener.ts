/** Listens on 169.254.169.254 in one network: the socket is made inside the namespace and belongs to our process. */
import { spawn } from 'node:child_process'
import type { Server } from 'node:http'
import { Server as Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Log } from '@kilonova/base/log.ts'
import { HostError } from '../host-error.ts'
import { metadataProxy, type MetadataTarget, type WhoHas } from './metadata-proxy.ts'

export interface MetadataListener {
  close(): Promise<void>
}

const CHILD = fileURLToPath(new URL('metadata-listener-child.ts', import.meta.url))
const START_MS = 20_000

export async function metadataListener(
  namespacePath: string,
  target: MetadataTarget,
  whoHas: WhoHas,
  log: Log,
): Promise<MetadataListener> {
  const server = metadataProxy(target, whoHas, log)
  await listenOn(server, await socketIn(namespacePath))
  return {
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}

const listenOn = (server: Server, socket: Socket): Promise<void> =>
  new Promise((done, fail) => {
    server.once('error', fail)
    server.listen(socket, () => {
      server.removeListener('error', fail)
      done()
    })
  })

/** A socket that listens inside the namespace and is ours: a child enters it, opens the socket and sends it. */
function socketIn(namespacePath: string): Promise<Socket> {
  return new Promise((done, fail) => {
    const child = spawn('nsenter', [`--net=${namespacePath}`, process.execPath, CHILD, String(process.pid)], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      timeout: START_MS,
      killSignal: 'SIGKILL',
    })
    const refuse = (why: string) =>
      fail(new HostError('CommandFailed', `cannot listen for metadata in ${namespacePath}: ${why}`))
    child.once('message', (message, handle) => {
      if (handle instanceof Socket) done(handle)
      else refuse(JSON.stringify(message))
      child.kill('SIGKILL')
    })
    child.once('error', (error) => refuse(error.message))
    child.once('exit', (code, signal) => refuse(`the helper ended with ${signal ?? code}`))
  })
}
