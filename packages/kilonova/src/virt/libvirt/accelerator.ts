/**
 * Which accelerator guests get. /dev/kvm may be there and yet not run a real kernel (nested virtualisation that emulates only
 * some instructions), so a tiny guest is booted with it, once per boot of the machine; the answer is kept in the state directory.
 */
import { spawn } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Log } from '@kilonova/base/log.ts'
import { probeBootSector, PROBE_EXIT_CODE } from './probe-boot-sector.ts'

export type Accelerator = 'kvm' | 'tcg'

const KVM = '/dev/kvm'
const QEMU = '/usr/bin/qemu-system-x86_64'
/** A guest that works is done in a tenth of a second. */
const PROBE_TIMEOUT_MS = 5_000

export async function accelerator(wanted: Accelerator | 'auto', stateDir: string, log: Log): Promise<Accelerator> {
  if (wanted !== 'auto') return wanted
  if (!isUsable(KVM)) return 'tcg'
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  const path = join(stateDir, 'accelerator')
  const [known, answer] = existsSync(path) ? readFileSync(path, 'utf8').split(' ') : []
  if (known === boot && (answer === 'kvm' || answer === 'tcg')) return answer
  const found = (await bootsWith('kvm')) ? 'kvm' : 'tcg'
  if (found === 'tcg') log.warn('KVM is there but does not run a guest: guests are emulated, and slow', {})
  mkdirSync(stateDir, { recursive: true })
  writeFileSync(path, `${boot} ${found}`)
  return found
}

const isUsable = (path: string): boolean => {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Boots the probe: it goes through the processor's modes as a kernel does, and at the end makes QEMU exit with a code of its own. */
export async function bootsWith(accel: Accelerator): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'kilonova-probe-'))
  const disk = join(folder, 'boot')
  writeFileSync(disk, probeBootSector())
  const args = [
    '-machine',
    `pc,accel=${accel}`,
    '-m',
    '16',
    '-nodefaults',
    '-display',
    'none',
    '-no-user-config',
    '-no-reboot',
    '-device',
    'isa-debug-exit,iobase=0xf4,iosize=0x01',
    '-drive',
    `file=${disk},format=raw,if=ide,readonly=off`,
  ]
  try {
    const child = spawn(QEMU, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: PROBE_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    })
    const { promise, resolve } = Promise.withResolvers<number | null>()
    child.on('close', resolve).on('error', () => resolve(null))
    // A guest that KVM gives up on is left standing: no need to wait for it.
    child.stderr.on('data', (said: Buffer) => void (said.includes('KVM internal error') && child.kill('SIGKILL')))
    return (await promise) === PROBE_EXIT_CODE
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
