/** Opens the socket to libvirtd: unix, TCP or TLS. What it gives is connected and, with TLS, accepted by the daemon. */
import { connect as connectNet, isIP, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls'
import { ConnectionLostError } from './errors.ts'

export type Target =
  | { readonly path: string }
  | { readonly host: string; readonly port?: number; readonly tls?: TlsOptions | boolean }

const TCP_PORT = 16509
const TLS_PORT = 16514

const describe = (target: Target): string => ('path' in target ? target.path : target.host)

export async function openSocket(target: Target, deadline: AbortSignal): Promise<Socket> {
  const { socket, ready } = start(target)
  const abort = (): void => void socket.destroy(new Error('no answer in time'))
  deadline.addEventListener('abort', abort)
  try {
    await ready
  } catch (error) {
    socket.destroy()
    const cause = error instanceof Error ? error : new Error(String(error))
    throw new ConnectionLostError(`cannot reach libvirtd at ${describe(target)}: ${cause.message}`, { cause })
  } finally {
    deadline.removeEventListener('abort', abort)
  }
  return socket
}

function start(target: Target): { socket: Socket; ready: Promise<void> } {
  if ('path' in target) {
    const socket = connectNet({ path: target.path })
    return { socket, ready: once(socket, 'connect') }
  }
  const { host, tls } = target
  if (!tls) {
    const socket = connectNet({ host, port: target.port ?? TCP_PORT, noDelay: true })
    return { socket, ready: once(socket, 'connect') }
  }
  const socket = connectTls({
    ...(isIP(host) ? {} : { servername: host }),
    ...(tls === true ? {} : tls),
    host,
    port: target.port ?? TLS_PORT,
  })
  socket.setNoDelay(true)
  return { socket, ready: once(socket, 'secureConnect').then(() => accepted(socket)) }
}

function once(socket: Socket, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error): void => {
      socket.off('error', done).off('close', closed).off(event, opened)
      if (error) reject(error)
      else resolve()
    }
    const opened = (): void => done()
    const closed = (): void => done(new Error('closed'))
    socket.once(event, opened).once('error', done).once('close', closed)
  })
}

/** After the handshake libvirtd checks our certificate and says so with one byte, 1. */
async function accepted(socket: Socket): Promise<void> {
  let verdict: Buffer | null = socket.read(1)
  while (verdict === null) {
    await once(socket, 'readable')
    verdict = socket.read(1)
  }
  if (verdict[0] !== 1) throw new Error('libvirtd refused our certificate')
}
