// The consoles of real guests as users open them: the screen and the serial line, over the proxies' websockets, until the server is deleted.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import type { Session } from '@kilonova/cloud/session.ts'
import { viewScreen } from '@kilonova/kilonova/console/testing/rfb-client.ts'
import { textOf } from '@kilonova/kilonova/virt/console-reader.ts'
import { createWebSocketStream, WebSocket } from 'ws'
import { cloudProcess, type CloudProcess } from './cloud-process.ts'
import { act, active, consoleOf, consoleShows, createServer, prompts, removeServer, settled } from './servers.ts'

let cloud: CloudProcess
let session: Session
let server = ''

before(async () => {
  cloud = await cloudProcess()
  await cloud.start()
  session = await cloud.session('demo')
  server = await createServer(session, { name: 'shown' })
  await active(session, server)
  await consoleShows(session, server, (text) => prompts(text) > 0)
})
after(() => cloud.remove())

async function urlOf(protocol: 'vnc' | 'serial', type: 'novnc' | 'serial'): Promise<URL> {
  const asked = { remote_console: { protocol, type } }
  const { body } = await session.call('compute', 'POST', `/servers/${server}/remote-consoles`, asked)
  return new URL((body as { remote_console: { url: string } }).remote_console.url)
}

/** As noVNC's page makes it of the page's own address. */
function socketOf(url: URL): WebSocket {
  const path = url.searchParams.get('path')
  const address = path === null ? url : new URL(path, url)
  address.protocol = 'ws:'
  return new WebSocket(address, ['binary'], { headers: { origin: `http://${url.host}` } })
}
function open(url: URL) {
  const socket = socketOf(url)
  const stream = createWebSocketStream(socket)
  stream.on('error', () => {})
  return { socket, stream }
}

test('the URL of the screen opens a page', async () => {
  const url = await urlOf('vnc', 'novnc')
  assert.equal(url.origin, cloud.url('novnc'))
  const page = await fetch(url)
  assert.equal(page.status, 200)
  assert.match(await page.text(), /<script type="module" src="vnc\.js">/)
})

test('the screen is seen, and shows what is typed', async () => {
  const { socket, stream } = open(await urlOf('vnc', 'novnc'))
  const screen = await viewScreen(stream)
  assert.match(screen.name, /^QEMU /)
  assert.ok(screen.width >= 640 && screen.height >= 350)
  const first = await screen.picture()
  const seen = await screen.changed(first)
  screen.type('demo\r')
  await screen.changed(seen)
  assert.equal(socket.protocol, 'binary')
  socket.terminate()
})

test('the serial line lets its user log in, and the log has all of it', async () => {
  const { socket, stream } = open(await urlOf('serial', 'serial'))
  const line = textOf(stream)
  stream.write('\r')
  await line.until(/login: /)
  stream.write('demo\r')
  await line.until(/assword: /)
  stream.write('kilonova\r')
  await line.until(/\$ /)
  stream.write('echo sum $((6 * 7)) said\r')
  await line.until(/sum 42 said/)
  assert.match(await consoleOf(session, server), /sum 42 said/)

  // Whoever comes next goes on where the line stands; the one before is told.
  const over = once(socket, 'close')
  const next = open(await urlOf('serial', 'serial'))
  const after_ = textOf(next.stream)
  next.stream.write('echo and $((7 * 7)) more\r')
  await after_.until(/and 49 more/)
  assert.equal(String((await over)[1]), 'somebody else opened this console')
  next.socket.terminate()
})

test('a server that is off has no console, and one that is on again has', async () => {
  const { socket, stream } = open(await urlOf('vnc', 'novnc'))
  await viewScreen(stream)
  const over = once(socket, 'close')
  await act(session, server, { 'os-stop': null })
  await over
  await settled(session, server, ['SHUTOFF'], 90_000)
  await assert.rejects(urlOf('vnc', 'novnc'), /409 .*Cannot 'get_vnc_console' instance/)
  await act(session, server, { 'os-start': null })
  await active(session, server)
  const again = open(await urlOf('serial', 'serial'))
  await textOf(again.stream).until(/login: /, 90_000)
  again.socket.terminate()
})

test('with the server its consoles end, and its tokens are good for nothing', async () => {
  const urls = [await urlOf('vnc', 'novnc'), await urlOf('serial', 'serial')]
  const sockets: WebSocket[] = []
  for (const url of urls) {
    const socket = socketOf(url)
    await once(socket, 'open')
    sockets.push(socket.on('error', () => {}))
  }
  const over = sockets.map((socket) => once(socket, 'close'))
  await removeServer(session, server)
  await Promise.all(over)
  for (const url of urls) {
    const socket = socketOf(url)
    const [request, response] = (await once(socket, 'unexpected-response')) as [
      { destroy(): void },
      { statusCode: number },
    ]
    assert.equal(response.statusCode, 403)
    request.destroy()
  }
})
