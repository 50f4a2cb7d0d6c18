/** The consoles of a fake guest: a serial line with a line for each thing that happened and a login prompt, which echoes; and a screen. */
import { duplexPair, type Duplex } from 'node:stream'
import type { ConsoleKind } from '../../domain/console.ts'
import { serveScreen } from './rfb.ts'

const KEEP_BYTES = 64 * 1024

export interface FakeConsole {
  boot(name: string): void
  line(text: string): void
  tail(maxBytes: number): string
  open(kind: ConsoleKind, lines: () => readonly string[]): Duplex
  /** The guest lost its power: whoever watched is cut off. */
  cut(): void
}

export function fakeConsole(): FakeConsole {
  let text = ''
  let prompt = ''
  let typed = ''
  const screens = new Set<Duplex>()
  /** The first is connected, the others wait for it to leave. */
  const serials: Duplex[] = []
  const add = (more: string): void => {
    text = (text + more).slice(-KEEP_BYTES)
    // A guest does not wait for whoever listens, but what is not read is not kept for ever either.
    const [listener] = serials
    if (listener && listener.writableLength < KEEP_BYTES) listener.write(more.replaceAll('\n', '\r\n'))
  }
  function type(input: string): void {
    for (const letter of input)
      if (letter === '\r' || letter === '\n') {
        const line = typed
        typed = ''
        add(`\n${line === '' ? '' : `fake: ${line}: command not found\n`}${prompt}`)
      } else {
        typed += letter
        add(letter)
      }
  }
  function connect(guest: Duplex): void {
    const listen = (): void =>
      void guest.on('data', (bytes: Buffer) => {
        type(bytes.toString('latin1'))
        if (!guest.writableNeedDrain) return
        guest.pause()
        guest.once('drain', () => guest.resume())
      })
    serials.push(guest)
    if (serials[0] === guest) listen()
    else guest.once('turn', listen)
    const leave = (): void => {
      const index = serials.indexOf(guest)
      if (index < 0) return
      serials.splice(index, 1)
      guest.destroy()
      if (index === 0) serials[0]?.emit('turn')
    }
    guest.on('error', leave).on('end', leave).on('close', leave)
  }
  return {
    boot: (name) => {
      prompt = `${name} login: `
      add(`\n[    0.000000] Linux version 6.1.0-fake\n[    0.412000] Run /sbin/init\n\n${prompt}`)
    },
    line: (line) => add(`\n[ fake ] ${line}\n`),
    // A cut through a character is the reader's loss, as with a real console.
    tail: (maxBytes) => (maxBytes <= 0 ? '' : Buffer.from(text).subarray(-maxBytes).toString()),
    open: (kind, lines) => {
      const [ours, theirs] = duplexPair()
      // Whichever side goes, the other goes with it, as with a socket.
      theirs.on('close', () => ours.destroy())
      ours.on('close', () => theirs.destroy())
      if (kind === 'serial') connect(ours)
      else {
        screens.add(ours)
        ours.on('error', () => {}).on('close', () => screens.delete(ours))
        void serveScreen(ours, { lines })
          .catch(() => {})
          .finally(() => ours.destroy())
      }
      return theirs
    },
    cut: () => {
      for (const stream of [...screens, ...serials]) stream.destroy()
    },
  }
}
