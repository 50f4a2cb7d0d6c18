/** What the cases of the contract stand on: a host, its driver, images to boot, and who waits for what guests do. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { PowerState } from '../../domain/states.ts'
import { diskOf } from '../contract-values.ts'
import type { Driver, PowerChange } from '../driver.ts'
import { imageServer } from '../image-server.ts'

export interface ContractHost {
  readonly driver: Driver
  /** Removes its cached images, as somebody would who tidies up. */
  loseImages(): Promise<void>
  /** The same host seen by a new driver, as after a restart of our process. */
  reopen(): Promise<Driver>
  close(): Promise<void>
}

export interface ContractImages {
  /** Boots to a login prompt and goes down when its power button is pressed. */
  readonly bootable: Buffer
  /** Its disk is larger than 1 GB. */
  readonly large: Buffer
  readonly largeSizeBytes?: number
}

/** A guest without KVM boots in seconds, on a busy machine in tens of them. */
export const BOOT_TIMEOUT_MS = 120_000
export const never = new AbortController().signal

/** The driver's power changes, to be waited for. */
function watch(driver: Driver) {
  const seen: PowerChange[] = []
  const waiting = new Set<() => void>()
  const stop = driver.onPowerChange((change) => {
    seen.push(change)
    for (const look of waiting) look()
  })
  const until = (serverId: string, event: string): Promise<PowerChange> =>
    new Promise((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`no ${event} of ${serverId}; seen: ${JSON.stringify(seen)}`)),
        BOOT_TIMEOUT_MS,
      )
      const look = (): void => {
        const found = seen.find((change) => change.serverId === serverId && change.event === event)
        if (!found) return
        waiting.delete(look)
        clearTimeout(late)
        resolve(found)
      }
      waiting.add(look)
      look()
    })
  return { until, seen, forget: () => void (seen.length = 0), stop }
}

/** The console is a file that grows: looked at again and again. */
export async function consoleShows(driver: Driver, serverId: string, what: RegExp): Promise<string> {
  const until = Date.now() + BOOT_TIMEOUT_MS
  for (;;) {
    const text = await driver.consoleOutput(serverId, 64 * 1024)
    if (what.test(text)) return text
    if (Date.now() > until) throw new Error(`no ${String(what)} on the console of ${serverId}: ${text.slice(-2000)}`)
    await delay(50)
  }
}

export const loginPrompt = (driver: Driver, serverId: string): Promise<string> =>
  consoleShows(driver, serverId, /login: \s*$/)

export const named = (name: string) => (error: unknown) => error instanceof Error && error.name === name

export type Bed = Awaited<ReturnType<typeof makeBed>>

export async function makeBed(open: () => Promise<ContractHost>, images: () => Promise<ContractImages>) {
  const content = await images()
  const host = await open()
  const server = await imageServer([content.bootable, content.large])
  const ticket = server.ticketFor(content.bootable)
  let driver = host.driver
  let events = watch(driver)
  return {
    content,
    server,
    ticket,
    host,
    get driver() {
      return driver
    },
    get events() {
      return events
    },
    stateIs: async (serverId: string, expected: PowerState): Promise<void> =>
      assert.equal(await driver.powerState(serverId), expected),
    isListed: async (serverId: string): Promise<boolean> =>
      (await driver.guests()).some((guest) => guest.serverId === serverId),
    remove: async (serverId: string): Promise<void> => {
      await driver.destroy(serverId)
      await driver.unplug(serverId)
      await driver.removeFiles(serverId)
    },
    withDisk: async (): Promise<string> => {
      const serverId = randomUUID()
      await driver.fetchImage(ticket, () => {}, never)
      await driver.createDisk(diskOf(serverId, ticket))
      return serverId
    },
    reopen: async (): Promise<void> => {
      events.stop()
      driver = await host.reopen()
      events = watch(driver)
    },
    close: async (): Promise<void> => {
      events.stop()
      server.close()
      await host.close()
    },
  }
}
