/** Whatever a stranger sends: a clear answer or a closed connection, never a 500, and others are served meanwhile. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { exchange } from '@kilonova/base/http/client.ts'
import { oneCloud, type OneCloud, type Person } from './one-cloud.ts'

const SERVICES = ['compute', 'identity', 'image', 'network', 'metadata'] as const

let folder = ''
let cloud: OneCloud
let demo: Person
/** Opened first, asked after last: when each was cut. */
const lingering = new Map<string, Promise<number>>()
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hostile-'))
  cloud = await oneCloud(join(folder, 'state'))
  demo = await cloud.logIn('demo')
  for (const service of SERVICES) {
    const began = performance.now()
    const socket = connect(portOf(service), '127.0.0.1').on('error', () => undefined)
    socket.resume().write('GET /healthz HTTP/1.1\r\nhost: he')
    lingering.set(
      service,
      once(socket, 'close').then(() => performance.now() - began),
    )
  }
})
after(async () => {
  await cloud.close()
  rmSync(folder, { recursive: true })
})

const portOf = (service: string): number => Number(new URL(cloud.urls[service] ?? '').port)

/** Sends bytes as they are; the answer until the other side closes, or `ms` went by. */
async function raw(service: string, bytes: string | Buffer, ms = 3000): Promise<string> {
  const socket = connect(portOf(service), '127.0.0.1')
  const parts: Buffer[] = []
  socket.on('data', (part: Buffer) => parts.push(part)).on('error', () => undefined)
  await once(socket, 'connect')
  socket.write(bytes)
  await Promise.race([once(socket, 'close'), delay(ms, undefined, { ref: false })])
  socket.destroy()
  return Buffer.concat(parts).toString()
}
const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0)
const request = (line: string, headers: readonly string[] = [], body = ''): string =>
  [
    line,
    'host: here',
    'connection: close',
    `x-auth-token: ${demo.token}`,
    ...headers,
    `content-length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n')

const PATHS: Readonly<Record<string, { readonly read: string; readonly write: string }>> = {
  compute: { read: '/v2.1/servers', write: '/v2.1/servers' },
  identity: { read: '/v3/users', write: '/v3/auth/tokens' },
  image: { read: '/v2/images', write: '/v2/images' },
  network: { read: '/v2.0/networks', write: '/v2.0/networks' },
}

for (const [service, { read, write }] of Object.entries(PATHS)) {
  const json = ['content-type: application/json']
  const refused: readonly (readonly [string, () => string | Buffer])[] = [
    ['JSON nested a hundred thousand deep', () => request(`POST ${write} HTTP/1.1`, json, '['.repeat(50_000))],
    [
      'objects nested deep in a field',
      () => request(`POST ${write} HTTP/1.1`, json, `{"server":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}`),
    ],
    ['half a JSON text', () => request(`POST ${write} HTTP/1.1`, json, '{"server": {"name": "x"')],
    [
      'bytes that are no UTF-8',
      () =>
        Buffer.concat([
          Buffer.from(
            `POST ${write} HTTP/1.1\r\nhost: here\r\nconnection: close\r\nx-auth-token: ${demo.token}\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\n`,
          ),
          Buffer.from([0xff, 0xfe, 0x22, 0xc0]),
        ]),
    ],
    [
      'a body larger than allowed',
      () => request(`POST ${write} HTTP/1.1`, json, `{"server":"${'x'.repeat(1_100_000)}"}`),
    ],
    ['headers larger than allowed', () => request(`GET ${read} HTTP/1.1`, [`x-long: ${'x'.repeat(40_000)}`])],
    ['a query larger than allowed', () => request(`GET ${read}?name=${'x'.repeat(40_000)} HTTP/1.1`)],
    ['a broken percent escape in the path', () => request(`GET ${read}/%zz HTTP/1.1`)],
    ['a NUL in the path', () => request(`GET ${read}/a%00b HTTP/1.1`)],
    ['no HTTP at all', () => 'HELO there\r\n\r\n'],
    ['a length that is none', () => `POST ${write} HTTP/1.1\r\nhost: here\r\ncontent-length: -5\r\n\r\n`],
    [
      'two ways to tell a length',
      () => `POST ${write} HTTP/1.1\r\nhost: here\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
  ]
  for (const [what, bytes] of refused)
    test(`${service}: ${what} is refused`, async () => {
      const status = statusOf(await raw(service, bytes()))
      assert.ok(status >= 400 && status < 500, `answered ${status}`)
    })

  test(`${service}: odd queries are answered, never with a 500`, async () => {
    for (const query of [
      '%zz',
      '=',
      '&&&',
      'a=%00',
      'name=%ff%fe',
      'limit=-1',
      'limit=1e99',
      'marker=%27%3B--',
      'sort_key=__proto__',
      '__proto__=1',
      'constructor=x',
      'name[]=a&name[b]=c',
    ]) {
      const status = statusOf(await raw(service, request(`GET ${read}?${query} HTTP/1.1`)))
      assert.ok(status >= 200 && status < 500, `${query}: answered ${status}`)
    }
  })
}

test('a regular expression that backtracking engines die of costs no time', async () => {
  const made = await demo.call('POST', '/servers', {
    server: { name: 'a'.repeat(250), flavorRef: '42', imageRef: await imageId(), networks: 'none' },
  })
  assert.equal(made.status, 202)
  const began = performance.now()
  for (const pattern of ['(a+)+$', '(a|aa)+$', '(.*)*x', '([a-z]+)*[0-9]', '^(([a-z])+.)+[A-Z]([a-z])+$']) {
    const { status, body } = await demo.call('GET', `/servers?name=${encodeURIComponent(pattern)}`)
    assert.equal(status, 200, JSON.stringify(body))
  }
  for (const pattern of ['(', '[', '(?<=a)b', '\\1'])
    assert.ok((await demo.call('GET', `/servers?name=${encodeURIComponent(pattern)}`)).status < 500)
  assert.ok(performance.now() - began < 5_000)
})

async function imageId(): Promise<string> {
  const { body } = await exchange({
    method: 'GET',
    url: `${cloud.urls['image']}/v2/images?name=demo`,
    headers: { 'x-auth-token': demo.token },
  })
  return (body as { images: { id: string }[] }).images[0]?.id ?? ''
}

test('who never ends a request is cut', async () => {
  for (const [service, cut] of lingering) {
    const ms = await cut
    assert.ok(ms > 10_000 && ms < 60_000, `${service}: cut after ${ms} ms`)
  }
})
