import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLog } from '@kilonova/base/log.ts'
import { portOf } from './port-fixture.ts'
import { networkStore } from './store.ts'

test('what is written is read again by the next process, and removing it twice is fine', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'network-store-'))
  context.after(() => rmSync(folder, { recursive: true }))
  const record = { serverId: 'server-1', ports: [{ number: 1, facts: portOf() }], leaving: [] }
  const store = networkStore(folder, silentLog)
  store.writeServer(record)
  store.writeNetwork({ networkId: 'net-1', slot: 7 })
  const next = networkStore(folder, silentLog)
  assert.deepEqual(next.servers(), [record])
  assert.deepEqual(next.server('server-1'), record)
  assert.deepEqual(next.networks(), [{ networkId: 'net-1', slot: 7 }])
  assert.equal(statSync(join(folder, 'servers', 'server-1.json')).mode & 0o777, 0o600)
  for (let twice = 0; twice < 2; twice++) {
    next.removeServer('server-1')
    next.removeNetwork('net-1')
  }
  assert.deepEqual([...readdirSync(join(folder, 'servers')), ...readdirSync(join(folder, 'networks'))], [])
  assert.equal(next.server('server-1'), undefined)
})

test('what the host was told of routers is kept until it is told of none', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'network-store-'))
  context.after(() => rmSync(folder, { recursive: true }))
  const router = { routerId: 'router-1', interfaces: [], gateway: null, routes: [], floatingIps: [] }
  networkStore(folder, silentLog).writeRouters([router])
  const next = networkStore(folder, silentLog)
  assert.deepEqual(next.routers(), [router])
  next.writeRouters([])
  assert.deepEqual(next.routers(), [])
  assert.deepEqual(readdirSync(folder).toSorted(), ['networks', 'servers'])
})

test('a damaged file is as good as none, a half-written one is not seen, and an id is never a path', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'network-store-'))
  context.after(() => rmSync(folder, { recursive: true }))
  const store = networkStore(folder, silentLog)
  writeFileSync(join(folder, 'servers', 'server-1.json'), '\0\0\0')
  writeFileSync(join(folder, 'servers', 'server-2.json.new'), '{')
  assert.deepEqual(store.servers(), [])
  assert.equal(store.server('server-1'), undefined)
  assert.throws(() => store.server('../networks/net-1'), /is not an id/)
})
