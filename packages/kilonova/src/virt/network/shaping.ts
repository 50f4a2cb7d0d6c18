/**
 * Holds ports to the rates of their flavors. What goes to the guest waits at its tap, what comes from it at the root end of its wire:
 * the redirection sends frames through both, and needs only their other side (`ingress`), which libvirt's <bandwidth> would take.
 *
 *   guest ── tap ── ingress ─▶ wire's tbf ─▶ network        network ─▶ ingress of wire ─▶ tap's tbf ── tap ── guest
 *
 * A token bucket cuts frames that are larger than it (a guest's offloads make them up to 64 KiB) into those that fit, and so counts true.
 */
import { createHash } from 'node:crypto'
import type { NicRate } from '../../domain/hardware/nic-quota.ts'
import { HostError } from '../host-error.ts'
import { run } from './command.ts'
import type { Names } from './names.ts'
import type { PluggedPort } from './store.ts'

/** Of Ethernet, before what the MTU counts. */
const HEADER = 18
/** A burst that nobody chose lasts this long: long enough to be seldom woken, too short to be noticed. */
const BURST_SECONDS = 0.01
/** A frame of no more than the line's own size must always fit. */
const MIN_FRAMES = 3
/** What waits longer is dropped, but what a guest sends at once is not. */
const QUEUE_SECONDS = 0.1
const MIN_QUEUE = 131_072
/** What `tc` and the kernel can hold. */
const MAX_SIZE = 2 ** 31
const MAX_RATE = 2 ** 50

interface Link {
  readonly name: string
  readonly rate: NicRate | undefined
}

const linksOf = (names: Names, { facts }: PluggedPort): readonly Link[] => [
  { name: names.tap(facts.portId), rate: facts.quota?.inbound },
  { name: names.wire(facts.portId), rate: facts.quota?.outbound },
]

/** `shaped`: links that are held to a rate now; `mtu`: of all of them. Pure. */
export const shapeCommands = (
  names: Names,
  ports: readonly PluggedPort[],
  mtu: number,
  shaped: ReadonlySet<string>,
): readonly string[] =>
  ports.flatMap((port) =>
    linksOf(names, port).flatMap(({ name, rate }) => {
      if (rate) {
        const sizes = bucket(rate, mtu)
        return `qdisc replace dev ${name} root handle ${handle(sizes)}: tbf ${sizes}`
      }
      return shaped.has(name) ? `qdisc del dev ${name} root` : []
    }),
  )

/** In bytes and bytes a second. A peak that is not above the average holds instead of it, as the kernel wants them. */
function bucket({ averageKib, peakKib = Infinity, burstKib = 0 }: NicRate, mtu: number): string {
  const frames = MIN_FRAMES * (mtu + HEADER)
  const short = (rate: number) => Math.max(rate * BURST_SECONDS, frames)
  const size = (bytes: number) => Math.min(Math.ceil(bytes), MAX_SIZE)
  const rate = Math.min(averageKib * 1024, peakKib * 1024, MAX_RATE)
  const burst = burstKib > 0 ? Math.max(burstKib * 1024, mtu + HEADER) : short(rate)
  const limit = Math.max(rate * QUEUE_SECONDS, MIN_QUEUE)
  const peak = peakKib * 1024
  const held = peakKib > averageKib && peak <= MAX_RATE ? ` peakrate ${peak}bps mtu ${size(short(peak))}b` : ''
  return `rate ${rate}bps burst ${size(burst)}b limit ${size(limit)}b${held}`
}

/**
 * Other sizes, another number: then the kernel makes a new bucket instead of changing the one that is there, in which a frame may wait that
 * fits no smaller one, and would wait for ever.
 */
const handle = (sizes: string): string =>
  (1 + (createHash('sha256').update(sizes).digest().readUInt32BE() % 0x7fff)).toString(16)

/** All links that are held to a rate. */
export async function shapedLinks(): Promise<ReadonlySet<string>> {
  const all = JSON.parse((await run('tc', ['-j', 'qdisc', 'show'])) || '[]') as { kind: string; dev: string }[]
  return new Set(all.flatMap(({ kind, dev }) => (kind === 'tbf' ? dev : [])))
}

let able: Promise<boolean> | undefined
/** Whether this kernel has what it takes: tried once, on a loopback of nobody's. */
export const canShape = (): Promise<boolean> => (able ??= tryIt())
async function tryIt(): Promise<boolean> {
  const sizes = ['rate', '1000000bps', 'burst', '10000b', 'limit', '10000b']
  try {
    await run('unshare', ['--net', 'tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'tbf', ...sizes])
    return true
  } catch (error) {
    if (error instanceof HostError) return false
    throw error
  }
}
