/**
 * Network cards of guests that run: given at once, taken when the guest lets go. What libvirt keeps of the guest for later changes with it.
 * A card is known by its tap, which no other has.
 */
import { DomainDeviceModifyFlags, DomainXMLFlags } from '@kilonova/libvirt/constants.gen.ts'
import { isLibvirtError } from '@kilonova/libvirt/errors.ts'
import type { Client } from '@kilonova/libvirt/client.ts'
import type { Domain } from '@kilonova/libvirt/protocol-types.gen.ts'
import { HostError } from '../host-error.ts'
import type { Connection } from './connection.ts'
import { ifThere, lookUp, stateOf } from './guests.ts'
import { valuesAt } from './xml-read.ts'

export interface HotPlug {
  readonly connection: Connection
  readonly installationId: string
  /** How often, and how long each time, a guest is asked to let go. */
  readonly detach: { readonly attempts: number; readonly timeoutMs: number }
}

/** An event may be lost with its connection: the guest is looked at this often besides. */
const LOOK_MS = 1000
const GRACE_MS = 30_000

const { LIVE, CONFIG } = DomainDeviceModifyFlags
type Where = typeof LIVE | typeof CONFIG

/** libvirt's own words for the card on this tap. */
export const cardIn = (domainXml: string, tap: string): string | undefined =>
  [...domainXml.matchAll(/<interface [^]*?<\/interface>/g)]
    .map(([card]) => card)
    .find((card) => valuesAt(card, 'target', 'dev').includes(tap))

async function cardAt(client: Client, domain: Domain, tap: string, where: Where): Promise<string | undefined> {
  const xml = await ifThere(client.domainGetXMLDesc(domain, where === CONFIG ? DomainXMLFlags.INACTIVE : 0))
  return xml === undefined ? undefined : cardIn(xml, tap)
}

const isOn = async (client: Client, domain: Domain): Promise<boolean> =>
  ['running', 'paused'].includes(await stateOf(client, domain))

/** A guest that is not defined gets it when it is. */
export const plugCard = (
  { connection, installationId }: HotPlug,
  serverId: string,
  tap: string,
  card: string,
): Promise<void> =>
  connection.use(async (client) => {
    const domain = await lookUp(client, installationId, serverId)
    if (!domain) return
    for (const where of [CONFIG, LIVE]) {
      if (where === LIVE && !(await isOn(client, domain))) return
      if ((await cardAt(client, domain, tap, where)) !== undefined) continue
      try {
        await client.domainAttachDeviceFlags(domain, card, where)
      } catch (error) {
        // It went off meanwhile.
        if (where === CONFIG || (await isOn(client, domain))) throw error
      }
    }
  })

/** Errors: NicNotReleased. */
export async function unplugCard(
  { connection, installationId, detach }: HotPlug,
  serverId: string,
  tap: string,
  signal: AbortSignal,
): Promise<void> {
  const ask = async (client: Client): Promise<boolean> => {
    const domain = await lookUp(client, installationId, serverId)
    if (!domain) return true
    const kept = await cardAt(client, domain, tap, CONFIG)
    if (kept !== undefined) await unlessGone(client.domainDetachDeviceFlags(domain, kept, CONFIG))
    return !(await isOn(client, domain)) || released(client, domain, tap, detach.timeoutMs, signal)
  }
  for (let attempt = 1; attempt <= detach.attempts; attempt++)
    if (await connection.use(ask, { answerMs: detach.timeoutMs + GRACE_MS })) return
  throw new HostError('NicNotReleased', `the guest of server ${serverId} does not let go of its network card ${tap}`)
}

/** Asks the guest once, and waits so long. */
async function released(
  client: Client,
  domain: Domain,
  tap: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  let wake: () => void = () => undefined
  const heard = () => wake()
  const events = await Promise.all([
    client.onDomainEvent('deviceRemoved', heard, domain),
    client.onDomainEvent('lifecycle', heard, domain),
  ])
  signal.addEventListener('abort', heard)
  const until = performance.now() + timeoutMs
  try {
    const card = await cardAt(client, domain, tap, LIVE)
    if (card === undefined) return true
    await unlessGone(client.domainDetachDeviceFlags(domain, card, LIVE))
    for (;;) {
      const woken = new Promise<void>((resolve) => (wake = resolve))
      signal.throwIfAborted()
      if (!(await isOn(client, domain)) || (await cardAt(client, domain, tap, LIVE)) === undefined) return true
      const left = until - performance.now()
      if (left <= 0) return false
      const timer = setTimeout(heard, Math.min(LOOK_MS, left))
      await woken
      clearTimeout(timer)
    }
  } finally {
    signal.removeEventListener('abort', heard)
    await Promise.all(events.map((event) => event.close()))
  }
}

/** It is not there any more, the guest went off, or QEMU still waits for the guest since it was asked before. */
async function unlessGone(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    const passes =
      isLibvirtError(error, 'DEVICE_MISSING', 'NO_DOMAIN', 'OPERATION_INVALID', 'OPERATION_FAILED') ||
      (isLibvirtError(error) && /in the process of unplug/.test(error.message))
    if (!passes) throw error
  }
}
