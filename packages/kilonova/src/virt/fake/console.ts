/** The serial console of a fake guest: a line for each thing that happened to it, and a login prompt whenever it is up. */

const KEEP_BYTES = 64 * 1024

export interface FakeConsole {
  boot(name: string): void
  line(text: string): void
  tail(maxBytes: number): string
}

export function fakeConsole(): FakeConsole {
  let text = ''
  const add = (more: string): void => void (text = (text + more).slice(-KEEP_BYTES))
  return {
    boot: (name) => add(`\n[    0.000000] Linux version 6.1.0-fake\n[    0.412000] Run /sbin/init\n\n${name} login: `),
    line: (line) => add(`\n[ fake ] ${line}\n`),
    // A cut through a character is the reader's loss, as with a real console.
    tail: (maxBytes) => (maxBytes <= 0 ? '' : Buffer.from(text).subarray(-maxBytes).toString()),
  }
}
