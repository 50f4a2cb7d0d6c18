// A guest under QEMU alone, without libvirt or any of our daemons: its console as text to wait for, its keys and its power button.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export type PlainGuest = {
  /** Everything the console has shown so far. */
  readonly text: () => string
  /** Resolves when the console shows the text after what was waited for before; rejects when the guest ends or is too slow. */
  readonly shows: (text: string, seconds?: number) => Promise<void>
  /** The same for a text whose place among the others is open: it may have been shown long ago. */
  readonly showsSometime: (text: string, seconds?: number) => Promise<void>
  /** Types a shell command and answers with what it printed. */
  readonly sh: (command: string) => Promise<string>
  readonly type: (text: string) => void
  /** A command of the QEMU monitor, such as `system_powerdown`. */
  readonly monitor: (command: string) => Promise<void>
  readonly ended: Promise<unknown>
  readonly kill: () => Promise<void>
}

type Options = { readonly disk: string; readonly folder: string; readonly args?: readonly string[] }

/** Starts a guest of `m1.nano`'s memory with the disk as its first one; `folder` takes the monitor's socket. */
export async function bootPlainGuest({ disk, folder, args = [] }: Options): Promise<PlainGuest> {
  const socket = join(folder, 'monitor')
  // Emulation on purpose: the figures are then those of the slowest machine we support.
  const machine = ['-machine', 'q35,accel=tcg', '-cpu', 'max', '-m', '192', '-display', 'none']
  const devices = ['-drive', `file=${disk},if=virtio,cache=unsafe`, '-device', 'virtio-rng-pci', '-serial', 'stdio']
  const control = ['-qmp', `unix:${socket},server=on,wait=off`]
  const qemu = spawn('qemu-system-x86_64', [...machine, ...devices, ...control, ...args], { stdio: 'pipe' })
  const ended = once(qemu, 'exit')

  let text = ''
  let seen = 0
  let looks: (() => void)[] = []
  const look = () => {
    const waiting = looks
    looks = []
    for (const again of waiting) again()
  }
  qemu.stdout.on('data', (data: Buffer) => {
    // The shell asks the terminal for its size at every prompt; nobody answers here.
    text += data.toString('latin1').replaceAll('\u001B[6n', '').replaceAll('\r', '')
    look()
  })
  qemu.stderr.on('data', (data: Buffer) => (text += `qemu: ${data.toString()}`))
  qemu.on('exit', look)

  const find = async (wanted: string, from: number, seconds: number): Promise<number> => {
    const late = setTimeout(look, seconds * 1000)
    const deadline = Date.now() + seconds * 1000
    try {
      for (;;) {
        const at = text.indexOf(wanted, from)
        if (at >= 0) return at + wanted.length
        if (qemu.exitCode !== null || Date.now() >= deadline)
          throw new Error(`the console does not show ${JSON.stringify(wanted)}; it ends with:\n${text.slice(-2000)}`)
        await new Promise<void>((resolve) => looks.push(resolve))
      }
    } finally {
      clearTimeout(late)
    }
  }
  const shows = async (wanted: string, seconds = 60): Promise<void> => {
    seen = await find(wanted, seen, seconds)
  }
  const showsSometime = async (wanted: string, seconds = 60): Promise<void> => {
    await find(wanted, 0, seconds)
  }

  let count = 0
  const sh = async (command: string): Promise<string> => {
    const mark = `end-${count++}`
    // The quotes keep the echoed command line from looking like its own result.
    qemu.stdin.write(`echo beg""in-${mark}; ${command}; echo "" ${mark.slice(0, 1)}""${mark.slice(1)}\n`)
    await shows(`begin-${mark}\n`)
    const from = seen
    await shows(`\n ${mark}\n`)
    return text.slice(from, seen - mark.length - 3).trim()
  }

  const monitor = async (command: string): Promise<void> => {
    const connection = createConnection(socket)
    const lines = createInterface({ input: connection })[Symbol.asyncIterator]()
    const answer = async (execute: string): Promise<void> => {
      connection.write(`${JSON.stringify({ execute })}\n`)
      for (let line = await lines.next(); !line.done; line = await lines.next()) {
        if (line.value.includes('"return"')) return
        if (line.value.includes('"error"')) throw new Error(line.value)
      }
    }
    await lines.next() // the greeting
    await answer('qmp_capabilities')
    await answer(command)
    connection.destroy()
  }

  const kill = async (): Promise<void> => {
    qemu.kill('SIGKILL')
    await ended
  }
  return { text: () => text, shows, showsSometime, sh, type: (keys) => qemu.stdin.write(keys), monitor, ended, kill }
}
