/** The screen of a fake guest: an RFB 3.8 server (RFC 6143) without a password, which shows lines of text and what is typed. */
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { takerOf } from '../console-reader.ts'
import { litDots } from './glyphs.ts'

export const SCREEN = { width: 320, height: 200 } as const
const SCALE = 2
const LINE_HEIGHT = 16
const MARGIN = 8
const PAPER = { red: 0x1d, green: 0x2b, blue: 0x4f }
const INK = { red: 0xf2, green: 0xe9, blue: 0xd0 }
const MAX_TYPED = 36
const MAX_CLIPBOARD = 64 * 1024
const RETURN_KEY = 0xff0d

interface Format {
  readonly bigEndian: boolean
  readonly shifts: { readonly red: number; readonly green: number; readonly blue: number }
}
const OURS: Format = { bigEndian: false, shifts: { red: 16, green: 8, blue: 0 } }

export interface Screen {
  /** As they are now. */
  lines(): readonly string[]
}

/** Serves one client until either side ends. */
export async function serveScreen(stream: Duplex, screen: Screen): Promise<void> {
  const take = takerOf(stream)
  const send = async (bytes: Buffer): Promise<void> => {
    if (!stream.write(bytes)) await once(stream, 'drain')
  }
  await send(Buffer.from('RFB 003.008\n'))
  if ((await take(12)).toString() !== 'RFB 003.008\n') return
  await send(Buffer.from([1, 1]))
  if ((await take(1))[0] !== 1) return
  await send(Buffer.alloc(4))
  await take(1)
  await send(serverInit(screen.lines()[0] ?? 'fake'))

  let format = OURS
  let typed = ''
  let shown = ''
  /** An incremental request is answered when there is something new. */
  let owed: Area | undefined
  const update = async (area: Area): Promise<void> => {
    const lines = [...screen.lines(), `> ${typed}`]
    shown = lines.join('\n')
    owed = undefined
    await send(picture(area, lines, format))
  }
  const isNew = (): boolean => [...screen.lines(), `> ${typed}`].join('\n') !== shown
  for (;;) {
    const [kind] = await take(1)
    if (kind === 0) {
      const asked = formatOf(await take(19))
      if (!asked) return
      format = asked
    } else if (kind === 2) await take(4 * (await take(3)).readUInt16BE(1))
    else if (kind === 3) {
      const area = areaOf(await take(9))
      if (!area.incremental || isNew()) await update(area)
      else owed = area
    } else if (kind === 4) {
      const event = await take(7)
      if (event[0] === 1) typed = press(typed, event.readUInt32BE(3))
      if (owed && isNew()) await update(owed)
    } else if (kind === 5) await take(5)
    else if (kind === 6) {
      const length = (await take(7)).readInt32BE(3)
      if (Math.abs(length) > MAX_CLIPBOARD) return
      await take(Math.abs(length))
    } else return
  }
}

const press = (typed: string, key: number): string => {
  if (key === RETURN_KEY) return ''
  return key >= 0x20 && key < 0x7f ? (typed + String.fromCharCode(key)).slice(-MAX_TYPED) : typed
}

interface Area {
  readonly incremental: boolean
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}
const areaOf = (request: Buffer): Area => {
  const [x, y] = [Math.min(request.readUInt16BE(1), SCREEN.width), Math.min(request.readUInt16BE(3), SCREEN.height)]
  return {
    incremental: request[0] === 1,
    x,
    y,
    width: Math.min(request.readUInt16BE(5), SCREEN.width - x),
    height: Math.min(request.readUInt16BE(7), SCREEN.height - y),
  }
}

/** True colours of 32 bits, in any order; a client that wants others is not served. */
function formatOf(request: Buffer): Format | undefined {
  const [bits, , bigEndian, trueColour] = request.subarray(3)
  const [red = 0, green = 0, blue = 0] = request.subarray(13, 16)
  return bits === 32 && trueColour !== 0 ? { bigEndian: bigEndian !== 0, shifts: { red, green, blue } } : undefined
}

function serverInit(name: string): Buffer {
  const title = Buffer.from(name)
  const head = Buffer.alloc(24)
  head.writeUInt16BE(SCREEN.width, 0)
  head.writeUInt16BE(SCREEN.height, 2)
  const { red, green, blue } = OURS.shifts
  Buffer.from([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, red, green, blue, 0, 0, 0]).copy(head, 4)
  head.writeUInt32BE(title.length, 20)
  return Buffer.concat([head, title])
}

/** A FramebufferUpdate of one raw rectangle. */
function picture({ x, y, width, height }: Area, lines: readonly string[], { bigEndian, shifts }: Format): Buffer {
  const bytes = Buffer.alloc(16 + width * height * 4)
  bytes.writeUInt16BE(1, 2)
  for (const [index, value] of [x, y, width, height].entries()) bytes.writeUInt16BE(value, 4 + 2 * index)
  const pixelOf = ({ red, green, blue }: typeof PAPER): Buffer => {
    const pixel = Buffer.alloc(4)
    const value = ((red << shifts.red) | (green << shifts.green) | (blue << shifts.blue)) >>> 0
    if (bigEndian) pixel.writeUInt32BE(value)
    else pixel.writeUInt32LE(value)
    return pixel
  }
  bytes.fill(pixelOf(PAPER), 16)
  const ink = pixelOf(INK)
  for (const [number, line] of lines.entries())
    for (const [column, row] of litDots(line))
      for (let part = 0; part < SCALE * SCALE; part++) {
        const across = MARGIN + column * SCALE + (part % SCALE) - x
        const down = MARGIN + number * LINE_HEIGHT + row * SCALE + Math.floor(part / SCALE) - y
        if (across >= 0 && across < width && down >= 0 && down < height)
          ink.copy(bytes, 16 + (down * width + across) * 4)
      }
  return bytes
}
