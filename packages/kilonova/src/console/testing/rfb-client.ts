/** For tests: a viewer of screens, which speaks RFB 3.8 without a password and takes pictures as they are (RFC 6143). */
import { createHash } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { takerOf } from '../../virt/console-reader.ts'

export interface Viewer {
  readonly name: string
  readonly width: number
  readonly height: number
  /** Asks for all of the screen, and waits for it: 4 bytes a pixel. */
  picture(): Promise<Buffer>
  /** Waits until a picture is other than this one. Errors: too late. */
  changed(from: Buffer, limitMs?: number): Promise<Buffer>
  /** Presses and lets go. */
  type(text: string): void
}

const RAW = 0
/** Without a change a screen may have nothing to say: it is asked again. */
const LOOK_MS = 100

/** Errors: the other side speaks something else, or ended. */
export async function viewScreen(stream: Duplex): Promise<Viewer> {
  const take = takerOf(stream)
  const version = (await take(12)).toString()
  if (version !== 'RFB 003.008\n') throw new Error(`not RFB 3.8: ${JSON.stringify(version)}`)
  stream.write(version)
  const types = [...(await take((await take(1))[0] ?? 0))]
  if (!types.includes(1)) throw new Error(`security types ${types.join()}`)
  stream.write(Buffer.from([1]))
  if ((await take(4)).readUInt32BE() !== 0) throw new Error('refused')
  stream.write(Buffer.from([1]))
  const init = await take(24)
  const [width, height] = [init.readUInt16BE(0), init.readUInt16BE(2)]
  const name = (await take(init.readUInt32BE(20))).toString()
  // 32 bits, 24 of them colours, little endian; and no other encoding than pixels as they are.
  stream.write(Buffer.from([0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]))
  stream.write(Buffer.from([2, 0, 0, 1, 0, 0, 0, RAW]))

  async function update(): Promise<readonly Buffer[]> {
    for (;;) {
      const [kind] = await take(1)
      if (kind === 2) continue
      if (kind === 3) {
        await take((await take(7)).readUInt32BE(3))
        continue
      }
      if (kind !== 0) throw new Error(`message ${kind}`)
      const parts: Buffer[] = []
      for (let left = (await take(3)).readUInt16BE(1); left > 0; left--) {
        const head = await take(12)
        if (head.readInt32BE(8) !== RAW) throw new Error(`encoding ${head.readInt32BE(8)}`)
        parts.push(head, await take(head.readUInt16BE(4) * head.readUInt16BE(6) * 4))
      }
      return parts
    }
  }
  async function picture(): Promise<Buffer> {
    const request = Buffer.from([3, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    request.writeUInt16BE(width, 6)
    request.writeUInt16BE(height, 8)
    stream.write(request)
    return Buffer.concat(await update())
  }
  const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

  return {
    name,
    width,
    height,
    picture,
    changed: async (from, limitMs = 60_000) => {
      for (const until = Date.now() + limitMs; ;) {
        const now = await picture()
        if (digest(now) !== digest(from)) return now
        if (Date.now() > until) throw new Error(`the screen is the same for ${limitMs} ms`)
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
      }
    },
    type: (text) => {
      for (const letter of text)
        for (const down of [1, 0]) {
          const key = Buffer.from([4, down, 0, 0, 0, 0, 0, 0])
          key.writeUInt32BE(letter === '\r' ? 0xff0d : letter.charCodeAt(0), 4)
          stream.write(key)
        }
    },
  }
}
