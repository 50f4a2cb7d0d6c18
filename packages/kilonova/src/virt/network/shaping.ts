/**
 * Holds ports to the rates of their flavors, at the two ends of their wires: what comes from the guest waits where the wire begins, what goes
 * to it where the bridge lets it out. Of the tap, `ingress` is the redirection's, and the sending side libvirt's: it sets it when a guest starts.
 *
 *   guest ── tap ⇄ kv… [outbound] ═══════ [inbound] p… ── bridge
 *
 * A token bucket cuts frames that are larger than it (a guest's offloads make them up to 64 KiB) into those that fit, and so counts true.
 */
import { createHash } from 'node:crypto'
import type { NicRate } from '../../domain/hardware/nic-quota.ts'
import { HostError } from '../host-error.ts'
import { run } from './command.ts'
import { innerLink, type Names } from './names.ts'
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

/** Links that are held to a rate now, of the root namespace and of a network's. */
export interface Shaped {
  readonly root: ReadonlySet<string>
  readonly inside: ReadonlySet<string>
}
export const NOTHING_SHAPED: Shaped = { root: new Set(), inside: new Set() }

/** `mtu`: of all the links. Pure. */
export const shapeCommands = (
  names: Names,
  ports: readonly PluggedPort[],
  mtu: number,
  shaped: Shaped,
): { readonly root: readonly string[]; readonly inside: readonly string[] } => ({
  root: ports.flatMap(({ facts }) => shape(names.wire(facts.portId), facts.quota?.outbound, mtu, shaped.root)),
  inside: ports.flatMap(({ facts }) => shape(innerLink(facts.portId), facts.quota?.inbound, mtu, shaped.inside)),
})

function shape(link: string, rate: NicRate | undefined, mtu: number, shaped: ReadonlySet<string>): readonly string[] {
  if (!rate) return shaped.has(link) ? [`qdisc del dev ${link} root`] : []
  const sizes = bucket(rate, mtu)
  return [`qdisc replace dev ${link} root handle ${handle(sizes)}: tbf ${sizes}`]
}

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

export async function shapedLinks(namespace: string): Promise<Shaped> {
  const [root, inside] = await Promise.all([shapedIn(), shapedIn(namespace)])
  return { root, inside }
}
async function shapedIn(namespace?: string): Promise<ReadonlySet<string>> {
  const text = await run('tc', [...(namespace ? ['-n', namespace] : []), '-j', 'qdisc', 'show'])
  const all = JSON.parse(text || '[]') as { kind: string; dev: string }[]
  return new Set(all.flatMap(({ kind, dev }) => (kind === 'tbf' ? dev : [])))
}

let able = false
/** Whether this kernel has what it takes: tried until it has, on a loopback of nobody's. */
export async function canShape(): Promise<boolean> {
  if (!able) able = await triedOut()
  return able
}
async function triedOut(): Promise<boolean> {
  const sizes = ['rate', '1000000bps', 'burst', '10000b', 'limit', '10000b']
  try {
    await run('unshare', ['--net', 'tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'tbf', ...sizes])
    return true
  } catch (error) {
    if (error instanceof HostError) return false
    throw error
  }
}
