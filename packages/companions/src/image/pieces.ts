/** The pieces of a stream, given on as they come. `for await` makes promises for each of them, and stops and starts the socket around it. */
import { IncomingMessage } from 'node:http'
import { finished, type Readable } from 'node:stream'

/**
 * While what `take` returns is pending, the stream waits. A piece is `take`'s until then and no longer: that of an HTTP message is freed at once,
 * because V8 goes through the whole heap for every few dozen MiB that wait for it to do so.
 * Errors: those of the stream and of `take`, when nothing is being taken any more; what is left of the stream can be read then.
 */
export function eachPiece(stream: Readable, take: (piece: Buffer) => Promise<void> | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const freed = stream instanceof IncomingMessage ? free : () => {}
  let taking: Promise<void> | undefined
  let over = false
  const end = (settle: () => void): void => {
    over = true
    stream.off('data', onPiece).pause()
    forget()
    if (taking) taking.then(settle, settle)
    else settle()
  }
  const fail = (error: unknown): void => end(() => reject(error))
  const onPiece = (piece: Buffer): void => {
    try {
      taking = take(piece)
    } catch (error) {
      return fail(error)
    }
    if (!taking) return freed(piece)
    stream.pause()
    taking.then(() => {
      taking = undefined
      freed(piece)
      if (!over) stream.resume()
    }, fail)
  }
  const forget = finished(stream, { writable: false }, (error) => (error ? fail(error) : end(resolve)))
  stream.on('data', onPiece)
  return promise
}

/** Not where it is a part of something larger. */
function free({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
