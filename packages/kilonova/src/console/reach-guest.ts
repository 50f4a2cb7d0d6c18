/** From the proxy to a guest's console: its host says where and for how long, and then passes the bytes on (compute/console-relay.ts). */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { RequestContext } from '@kilonova/base/context.ts'
import { readHead } from '@kilonova/base/http/read-head.ts'
import type { ConsoleLeave } from '../domain/console.ts'
import type { Bus } from '../rpc/bus.ts'
import { compute, computeTopic, type ConsolePlace } from '../rpc/compute.ts'
import { client } from '../rpc/contract.ts'

const TIMEOUT_MS = 10_000

/** A socket whose next bytes are the console's. Errors: the host does not answer, or the guest has no such console now. */
export async function reachGuest(
  bus: Pick<Bus, 'call'>,
  { serverId, host, kind }: Pick<ConsoleLeave, 'serverId' | 'host' | 'kind'>,
  context: RequestContext,
): Promise<Socket> {
  const verbs = client(compute, bus, computeTopic(host), context, TIMEOUT_MS)
  const place = await verbs.openConsole({ serverId, kind })
  const socket = open(place)
  const late = setTimeout(() => socket.destroy(new Error('the host takes too long')), TIMEOUT_MS)
  try {
    await once(socket, place.fingerprint === null ? 'connect' : 'secureConnect')
    if (place.fingerprint !== null && (socket as TLSSocket).getPeerCertificate().fingerprint256 !== place.fingerprint)
      throw new Error('whoever answers there is not the host')
    socket.setNoDelay(true)
    socket.write(`CONNECT ${place.path} HTTP/1.1\r\n\r\n`)
    const status = await readHead(socket)
    if (!/^HTTP\/1\.[01] 200\b/.test(status)) throw new Error(`the host refuses: ${status}`)
    return socket
  } catch (error) {
    socket.destroy()
    throw error
  } finally {
    clearTimeout(late)
  }
}

/** The certificate is known by its fingerprint, which the host told over the bus: no authority has to know it. */
function open({ host, port, fingerprint }: ConsolePlace): Socket {
  return fingerprint === null ? connect(port, host) : connectTls({ host, port, rejectUnauthorized: false })
}
