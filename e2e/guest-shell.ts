// A shell in a guest, from this machine over the guest's own network: ssh with the key that the cloud put there.
import { execFile } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)
const FLAGS = [
  'StrictHostKeyChecking=no',
  'UserKnownHostsFile=/dev/null',
  'BatchMode=yes',
  'LogLevel=ERROR',
  'ConnectTimeout=5',
]

export async function newKey(file: string): Promise<void> {
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'it@example', '-f', file])
}

/** What the command printed; `input` is what it reads. Tried again until the guest lets us in, for the guest says nowhere when that is. */
export async function inGuest(
  address: string,
  key: string,
  command: string,
  milliseconds = 60_000,
  input: Uint8Array = Buffer.alloc(0),
): Promise<string> {
  const until = performance.now() + milliseconds
  for (;;) {
    try {
      const running = run('ssh', [...FLAGS.flatMap((flag) => ['-o', flag]), '-i', key, `demo@${address}`, command])
      // It may have ended before it read all: its status says what happened.
      running.child.stdin?.on('error', () => undefined)
      running.child.stdin?.end(input)
      return (await running).stdout.trim()
    } catch (error) {
      // 255 is of ssh itself; any other code is the command's.
      if ((error as { code?: number }).code !== 255 || performance.now() > until) throw error
      await pause(300)
    }
  }
}

export const bootIdOf = (address: string, key: string): Promise<string> =>
  inGuest(address, key, 'cat /proc/sys/kernel/random/boot_id')
