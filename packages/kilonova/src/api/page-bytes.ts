/**
 * The bytes of one answer, written one after the other: a text of a whole page would be copied twice more, and hold every piece until the end.
 * What was grown once is kept for the next page, since large buffers are what the garbage collector runs for.
 */
const FIRST_BYTES = 64 * 1024
let scratch = Buffer.from(new ArrayBuffer(FIRST_BYTES))
let scratchTaken = false
const MOST_KEPT_BYTES = 8 * 1024 * 1024

export interface PageBytes {
  add(text: string): void
  /** A copy of what was added. */
  bytes(): Buffer<ArrayBuffer>
  /** Must be called when done. */
  close(): void
}

export function pageBytes(): PageBytes {
  const own = !scratchTaken
  scratchTaken = true
  let buffer = own ? scratch : Buffer.from(new ArrayBuffer(FIRST_BYTES))
  let end = 0
  return {
    add: (text: string): void => {
      const most = text.length * 3
      if (end + most > buffer.length) {
        const larger = Buffer.from(new ArrayBuffer(2 * (end + most)))
        buffer.copy(larger, 0, 0, end)
        buffer = larger
      }
      end += buffer.write(text, end, 'utf8')
    },
    bytes: () => Buffer.from(buffer.buffer.slice(0, end)),
    close: () => {
      if (!own) return
      scratchTaken = false
      if (buffer.length <= MOST_KEPT_BYTES) scratch = buffer
    },
  }
}
