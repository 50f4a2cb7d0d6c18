// Which `qemu-img` a cloud runs, and with what: the program is replaced for that cloud alone, in a mount namespace of its own, by one that
// writes down its arguments first. Whatever calls it, by whichever path, is seen.
import { chmodSync, copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const QEMU_IMG = '/usr/bin/qemu-img'

export interface TracedQemuImg {
  /** Stands before the command line of the cloud. */
  readonly launcher: readonly string[]
  runs(): readonly TracedRun[]
  remove(): void
}

export interface TracedRun {
  readonly args: string
  /** What it may take, as its own shell is told; NaN is unlimited. */
  readonly cpuSeconds: number
  readonly memoryKb: number
}

export function tracedQemuImg(): TracedQemuImg {
  const folder = mkdtempSync(join(tmpdir(), 'qemu-img-'))
  const [program, wrapper, log] = ['program', 'wrapper', 'log'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  copyFileSync(QEMU_IMG, program)
  writeFileSync(wrapper, `#!/bin/sh\necho "$(ulimit -t) $(ulimit -v) $*" >>${log}\nexec ${program} "$@"\n`)
  chmodSync(folder, 0o755)
  for (const file of [program, wrapper]) chmodSync(file, 0o755)
  const script = `mount --bind ${wrapper} ${QEMU_IMG} && exec "$@"`
  return {
    launcher: ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh'],
    runs: () => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(0, -1).map(run) : []),
    remove: () => rmSync(folder, { recursive: true }),
  }
}

function run(line: string): TracedRun {
  const [cpu, memory, ...args] = line.split(' ')
  return { args: args.join(' '), cpuSeconds: Number(cpu), memoryKb: Number(memory) }
}
