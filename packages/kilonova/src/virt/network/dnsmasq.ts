/** Keeps one dnsmasq per network running, apart from our own process: it is found again by its pid file, proven by its arguments. */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { run } from './command.ts'
import { dhcpFiles, dnsmasqArguments, hostsFile, optionsFile } from './dhcp-options.ts'
import type { Layout } from './layout.ts'
import type { PluggedPort } from './store.ts'

/** Makes the files say what they should and dnsmasq know it; starts, restarts or stops it as needed. */
export async function settleDhcp(
  namespace: string,
  folder: string,
  layout: Layout,
  ports: readonly PluggedPort[],
): Promise<void> {
  const files = dhcpFiles(folder)
  const args = dnsmasqArguments(layout, files)
  const running = runningDnsmasq(folder)
  if (!args) return stopDhcp(folder)
  // dnsmasq reads them again after it gave up being root.
  mkdirSync(folder, { recursive: true })
  for (const path of [dirname(folder), folder]) chmodSync(path, 0o755)
  const hosts = hostsFile(layout, ports)
  const changed = [writeIfChanged(files.hosts, hosts), writeIfChanged(files.options, optionsFile(layout))].includes(
    true,
  )
  const asWanted = running !== undefined && running.args.slice(1).join('\0') === args.join('\0')
  const taken = leaseConflicts(files.leases, hosts)
  if (asWanted && taken.length === 0) {
    if (changed) signalTo(running.pid, 'SIGHUP')
    return
  }
  if (running) await end(running.pid, folder)
  if (taken.length > 0) dropLeases(files.leases, taken)
  // It goes to the background by itself once it serves; until then a failure is its exit status.
  await run('nsenter', [`--net=/run/netns/${namespace}`, 'dnsmasq', ...args])
}

export async function stopDhcp(folder: string): Promise<void> {
  const running = runningDnsmasq(folder)
  if (running) await end(running.pid, folder)
}

/** The network's dnsmasq. A process that merely got its number has other arguments. */
export function runningDnsmasq(folder: string): { readonly pid: number; readonly args: readonly string[] } | undefined {
  const files = dhcpFiles(folder)
  try {
    const pid = Number(readFileSync(files.pid, 'utf8'))
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1)
    return args.includes(`--pid-file=${files.pid}`) ? { pid, args } : undefined
  } catch {
    return undefined
  }
}

const ENDS_WITHIN_MS = 3000

async function end(pid: number, folder: string): Promise<void> {
  const started = performance.now()
  for (let signal: NodeJS.Signals | undefined = 'SIGTERM'; runningDnsmasq(folder)?.pid === pid;) {
    if (signal) signalTo(pid, signal)
    signal = performance.now() - started > ENDS_WITHIN_MS ? 'SIGKILL' : undefined
    await delay(2)
  }
}

/** It may have ended since it was looked for. */
function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function writeIfChanged(path: string, text: string): boolean {
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return false
  writeFileSync(`${path}.new`, text)
  chmodSync(`${path}.new`, 0o644)
  renameSync(`${path}.new`, path)
  return true
}

/** Lease lines `expiry mac address name id` whose address belongs to another card now: dnsmasq would refuse it to its new owner. */
function leaseConflicts(path: string, hosts: string): string[] {
  if (!existsSync(path)) return []
  const owners = new Map(hosts.split('\n').map((line) => [line.split(',')[1], line.split(',')[0]?.toLowerCase()]))
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => {
      const [, mac, address] = line.split(' ')
      const owner = address === undefined ? undefined : owners.get(address)
      return owner !== undefined && owner !== mac?.toLowerCase()
    })
}

function dropLeases(path: string, lines: readonly string[]): void {
  const gone = new Set(lines)
  writeFileSync(
    path,
    readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => !gone.has(line))
      .join('\n'),
  )
}
