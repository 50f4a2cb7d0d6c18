/** The head of an HTTP message off a socket whose further bytes are something else. */
import { once } from 'node:events'
import type { Socket } from 'node:net'

const END = '\r\n\r\n'
const MAX_BYTES = 2048

/** Its first line; what came after the head is read from the socket as if it came only now. Errors: the other side ended, or sends something else. */
export async function readHead(socket: Socket): Promise<string> {
  const over = new AbortController()
  const end = (): void => over.abort()
  socket.on('close', end)
  let seen = Buffer.alloc(0)
  try {
    for (;;) {
      const chunk = socket.read() as Buffer | null
      if (chunk) seen = Buffer.concat([seen, chunk])
      const at = seen.indexOf(END)
      if (at >= 0) {
        const rest = seen.subarray(at + END.length)
        if (rest.length > 0) socket.unshift(rest)
        return seen.subarray(0, at).toString('latin1').split('\r\n')[0] ?? ''
      }
      if (seen.length > MAX_BYTES || socket.readableEnded || socket.destroyed)
        throw new Error('the other side ends, or speaks something else')
      if (!chunk)
        await Promise.race([
          once(socket, 'readable', { signal: over.signal }),
          once(socket, 'end', { signal: over.signal }),
        ])
    }
  } finally {
    socket.off('close', end)
    over.abort()
  }
}
