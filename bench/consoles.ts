/**
 * `npm run bench -- consoles`: 100 users at consoles of fake guests, half at screens and half at serial lines. What the process needs
 * more for them while all are busy, and how long a typed byte takes to come back.
 */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { Duplex } from 'node:stream'
import { viewScreen } from '@kilonova/kilonova/console/testing/rfb-client.ts'
import { createWebSocketStream, WebSocket } from 'ws'
import { startCloud, type MeasuredCloud } from './cloud.ts'
import { atMost, median, quantile, type Figure } from './figures.ts'

const SERVERS = 50
const BUSY_MS = 15_000
const ROUND_TRIPS = 2000
const PICTURE_EVERY_MS = 250
const TYPED_EVERY_MS = 100
const CONSOLES = [
  { protocol: 'vnc', type: 'novnc' },
  { protocol: 'serial', type: 'serial' },
] as const

export async function consolesFigures(): Promise<readonly Figure[]> {
  const cloud = await startCloud(['--driver', 'fake', '--hosts', '10'])
  try {
    const servers = await boot(cloud)
    await delay(3000)
    const idle = cloud.residentMb()
    const streams: { readonly screens: Duplex[]; readonly lines: Duplex[] } = { screens: [], lines: [] }
    for (const { id, token } of servers)
      for (const { protocol, type } of CONSOLES) {
        const asked = { remote_console: { protocol, type } }
        const url = `${cloud.urls.compute}/v2.1/servers/${id}/remote-consoles`
        const { body } = await cloud.call('POST', url, asked, token)
        const stream = await open((body as { remote_console: { url: string } }).remote_console.url)
        if (protocol === 'vnc') streams.screens.push(stream)
        else streams.lines.push(stream)
      }
    await delay(1000)
    const open_ = cloud.residentMb()
    const [first] = streams.lines
    if (!first) throw new Error('there is no serial line')
    const alone = await roundTrips(first, ROUND_TRIPS)
    const busy = await traffic(cloud, streams)
    const count = streams.screens.length + streams.lines.length
    return [
      { name: `${count} consoles open, more memory`, value: open_ - idle, unit: 'MB' },
      {
        name: `${count} consoles busy, more memory at most`,
        value: busy.residentMb - idle,
        unit: 'MB',
        bar: atMost(150),
      },
      { name: 'a byte there and back, alone, p50', value: median(alone), unit: 'ms' },
      { name: 'a byte there and back, alone, p99', value: quantile(alone, 0.99), unit: 'ms' },
      { name: `a byte there and back while ${count} are busy, p50`, value: median(busy.ms), unit: 'ms' },
      { name: `a byte there and back while ${count} are busy, p99`, value: quantile(busy.ms, 0.99), unit: 'ms' },
      { name: 'pictures of 320x200 meanwhile', value: (busy.pictures * 1000) / BUSY_MS, unit: '/s' },
    ]
  } finally {
    await cloud.stop()
  }
}

async function boot(cloud: MeasuredCloud): Promise<readonly { readonly id: string; readonly token: string }[]> {
  const token = await cloud.login()
  const { images } = (await cloud.call('GET', `${cloud.urls.image}/v2/images`, undefined, token)).body as {
    images: { id: string }[]
  }
  const compute = `${cloud.urls.compute}/v2.1`
  const server = { name: 'shown', flavorRef: '42', imageRef: images[0]?.id, networks: 'none', min_count: SERVERS }
  await cloud.call('POST', `${compute}/servers`, { server }, token)
  for (;;) {
    const { body } = await cloud.call('GET', `${compute}/servers?status=ACTIVE`, undefined, token)
    const { servers } = body as { servers: { id: string }[] }
    if (servers.length === SERVERS) return servers.map(({ id }) => ({ id, token }))
    await delay(20)
  }
}

async function open(url: string): Promise<Duplex> {
  const given = new URL(url)
  const path = given.searchParams.get('path')
  const address = path === null ? given : new URL(path, given)
  address.protocol = 'ws:'
  const socket = new WebSocket(address, ['binary'])
  const stream = createWebSocketStream(socket)
  stream.on('error', () => {})
  await once(socket, 'open')
  return stream
}

/** Milliseconds from a byte's write until its echo. */
async function roundTrips(line: Duplex, count: number): Promise<readonly number[]> {
  const times: number[] = []
  for (let round = 0; round < count; round++) {
    const began = performance.now()
    const byte = String.fromCharCode(97 + (round % 26))
    line.write(byte)
    const [echo] = (await once(line, 'data')) as [Buffer]
    times.push(performance.now() - began)
    if (echo.toString() !== byte) throw new Error(`${JSON.stringify(echo.toString())} is not the echo of ${byte}`)
  }
  return times
}

/** Screens are looked at, lines typed on: each again and again with a pause, as people and what moves on a screen have it. */
async function traffic(
  cloud: MeasuredCloud,
  { screens, lines }: { readonly screens: Duplex[]; readonly lines: Duplex[] },
) {
  let [pictures, residentMb, busy] = [0, 0, true]
  const [measured, ...others] = lines
  if (!measured) throw new Error('there is no serial line')
  const looking = screens.map(async (stream) => {
    const screen = await viewScreen(stream)
    while (busy) {
      await screen.picture()
      pictures += 1
      await delay(PICTURE_EVERY_MS)
    }
  })
  const chunk = Buffer.alloc(256, 'y')
  const typing = others.map(async (line) => {
    while (busy) {
      line.write(chunk)
      await once(line, 'data')
      await delay(TYPED_EVERY_MS)
    }
  })
  const ms: number[] = []
  for (const until = performance.now() + BUSY_MS; performance.now() < until;) {
    ms.push(...(await roundTrips(measured, 5)))
    residentMb = Math.max(residentMb, cloud.residentMb())
  }
  busy = false
  await Promise.all([...looking, ...typing])
  return { pictures, residentMb, ms }
}
