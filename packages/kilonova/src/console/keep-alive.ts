/** Ends a websocket whose other side is gone without a word: a laptop that was closed would keep a serial line for ever. */
import type { WebSocket } from 'ws'

const EVERY_MS = 30_000
/** Pings that may stay without any sign of life. */
const PATIENCE = 3
/** More than this unsent, and a ping gets no answer: it would only wait, too. */
const MAX_UNSENT_BYTES = 64 * 1024

/** Answers pings as well. Returns a function that stops it. */
export function keepAlive(socket: WebSocket, everyMs = EVERY_MS): () => void {
  let silent = 0
  const alive = (): void => void (silent = 0)
  socket.on('message', alive).on('pong', alive)
  socket.on('ping', (data) => {
    alive()
    if (socket.bufferedAmount < MAX_UNSENT_BYTES) socket.pong(data)
  })
  const timer = setInterval(() => {
    silent += 1
    if (silent > PATIENCE) socket.terminate()
    else if (socket.bufferedAmount < MAX_UNSENT_BYTES) socket.ping()
  }, everyMs)
  timer.unref()
  return () => clearInterval(timer)
}
