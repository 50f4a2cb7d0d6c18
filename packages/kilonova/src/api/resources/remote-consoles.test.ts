/** Consoles over HTTP: URLs with tokens, what is refused and why, and where a token leads. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compute, computeTopic } from '../../rpc/compute.ts'
import { at, cloud, server, settled, type Cloud } from '../testing/cloud.ts'
import { hostAnswers } from '../testing/host.ts'

const ask = (it: Cloud, id: string, protocol: string, type: string, as = 'member', version = '2.99') =>
  it.call('POST', `/servers/${id}/remote-consoles`, { json: { remote_console: { protocol, type } }, as, version })
const act = (it: Cloud, id: string, json: object, version = '2.1') =>
  it.call('POST', `/servers/${id}/action`, { json, version })
const saidBy = (answer: { body: unknown; status: number }): string =>
  `${answer.status} ${String(Object.values(answer.body as Record<string, { message: string }>)[0]?.message)}`
const show = (it: Cloud, token: string, version: string) =>
  it.call('GET', `/os-console-auth-tokens/${token}`, { as: 'admin', version })

test('a URL for the screen and one for the serial line, each with a token of its own that is kept as a hash', async (t) => {
  const it = await cloud(t, { serial_console: { base_url: 'wss://serial.example/' } })
  hostAnswers(t, it)
  const id = await server(it)
  await settled(it, id)
  const vnc = await ask(it, id, 'vnc', 'novnc')
  assert.equal(vnc.status, 200)
  const { remote_console: shown } = vnc.body as { remote_console: Record<string, string> }
  assert.deepEqual(Object.keys(shown), ['protocol', 'type', 'url'])
  assert.match(shown['url'] ?? '', /^http:\/\/127\.0\.0\.1:6080\/vnc_auto\.html\?path=%3Ftoken%3D[0-9a-f-]{36}$/)
  const serial = await act(it, id, { 'os-getSerialConsole': { type: 'serial' } })
  assert.match(String(at(serial, 'console', 'url')), /^wss:\/\/serial\.example\/\?token=[0-9a-f-]{36}$/)
  assert.equal(at(serial, 'console', 'type'), 'serial')
  const rows = await it.db.selectFrom('console_tokens').selectAll().orderBy('kind').execute()
  assert.deepEqual(
    rows.map(({ server_id, host, kind, expires_at, created_at }) => [server_id, host, kind, expires_at - created_at]),
    [
      [id, 'host1', 'serial', 600_000],
      [id, 'host1', 'vnc', 600_000],
    ],
  )
  for (const { token_hash } of rows) {
    assert.match(token_hash, /^[0-9a-f]{64}$/)
    assert.ok(!JSON.stringify([vnc.body, serial.body]).includes(token_hash))
  }
})

test('what is not to be had is said in the words of Nova', async (t) => {
  const it = await cloud(t, { vnc: { enabled: false } })
  hostAnswers(t, it)
  const id = await server(it)
  await settled(it, id)
  for (const [protocol, type, says] of [
    ['spice', 'spice-html5', '400 Unavailable console type spice-html5.'],
    ['spice', 'spice-direct', '400 Unavailable console type spice-direct.'],
    ['mks', 'webmks', '400 Unavailable console type webmks.'],
    ['vnc', 'novnc', '400 Unavailable console type novnc.'],
    ['serial', 'novnc', '400 Invalid console type novnc'],
  ] as const)
    assert.equal(saidBy(await ask(it, id, protocol, type)), says)
  assert.equal((await ask(it, id, 'rdp', 'rdp-html5')).status, 400)
  assert.equal((await ask(it, id, 'mks', 'webmks', 'member', '2.7')).status, 400)
  assert.equal((await ask(it, id, 'spice', 'spice-direct', 'member', '2.98')).status, 400)
  assert.equal((await act(it, id, { 'os-getVNCConsole': { type: 'other' } })).status, 400)
  assert.equal((await act(it, id, { 'os-getRDPConsole': { type: 'rdp-html5' } })).status, 410)
  assert.equal((await it.db.selectFrom('console_tokens').selectAll().execute()).length, 0)
})

test('a server without a host, without a running guest, or that is leaving: 409', async (t) => {
  const it = await cloud(t)
  let guest: string[] = []
  t.after(
    it.bus.serve(computeTopic('host1'), async (method) => {
      assert.equal(method, 'consoles')
      return guest
    }),
  )
  const id = await server(it)
  assert.equal((await ask(it, id, 'vnc', 'novnc')).status, 409)
  await settled(it, id)
  assert.equal(
    saidBy(await ask(it, id, 'vnc', 'novnc')),
    `409 Cannot 'get_vnc_console' instance ${id} while it is in vm_state active`,
  )
  guest = ['vnc']
  assert.equal((await ask(it, id, 'vnc', 'novnc')).status, 200)
  assert.equal(saidBy(await ask(it, id, 'serial', 'serial')), '400 Unavailable console type serial.')
  for (const state of ['deleting', 'migrating']) {
    await it.db.updateTable('servers').set({ task_state: state }).where('id', '=', id).execute()
    assert.equal(
      saidBy(await ask(it, id, 'vnc', 'novnc')),
      `409 Cannot 'get_vnc_console' instance ${id} while it is in task_state ${state}`,
    )
  }
})

test('a host that does not answer: 409, and no token', async (t) => {
  const it = await cloud(t)
  const id = await server(it)
  await settled(it, id)
  assert.equal(saidBy(await ask(it, id, 'vnc', 'novnc')), '409 Host host1 does not answer: try again when it is back.')
})

test('other proxies learn where a console is, for one connection each time', async (t) => {
  const it = await cloud(t)
  let fingerprint: string | null = null
  let asked = 0
  t.after(
    it.bus.serve(computeTopic('host1'), async (method, input) => {
      if (method === 'consoles') return ['vnc', 'serial']
      assert.deepEqual(compute.openConsole.input.parse(input), { serverId: id, kind: 'serial' })
      if (fingerprint === 'gone') throw Object.assign(new Error('it does not run'), { name: 'ConsoleUnavailable' })
      return { host: '192.0.2.7', port: 4711, path: `/${(asked += 1)}`, fingerprint }
    }),
  )
  const id = await server(it)
  await settled(it, id)
  const url = String(at(await ask(it, id, 'serial', 'serial'), 'remote_console', 'url'))
  const token = new URL(url).searchParams.get('token') ?? ''
  assert.deepEqual((await show(it, token, '2.31')).body, {
    console: { instance_uuid: id, host: '192.0.2.7', port: 4711, internal_access_path: '/1' },
  })
  assert.deepEqual((await show(it, token, '2.99')).body, {
    console: { instance_uuid: id, host: '192.0.2.7', port: 4711, tls_port: null, internal_access_path: '/2' },
  })
  fingerprint = 'AA:BB'
  assert.deepEqual((await show(it, token, '2.99')).body, {
    console: { instance_uuid: id, host: '192.0.2.7', port: null, tls_port: 4711, internal_access_path: '/3' },
  })
  const old = await show(it, token, '2.30')
  assert.deepEqual(old.body, {
    unauthorized: { code: 401, message: 'The requested console type details are not accessible' },
  })
  assert.equal(saidBy(await show(it, 'guessed', '2.30')), '404 Token not found')
  fingerprint = 'gone'
  assert.equal(saidBy(await show(it, token, '2.31')), '404 Token not found')
  fingerprint = null
  it.pass(600_000)
  assert.equal(saidBy(await show(it, token, '2.31')), '404 Token not found')
})
