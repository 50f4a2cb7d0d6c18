// A user's own network, router and floating IP with the stock client and real guests: what each reaches, and that nothing is left of it.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { inventoryOf } from '@kilonova/kilonova/virt/network/inventory.ts'
import { namesOf } from '@kilonova/kilonova/virt/network/names.ts'
import { cloudProcess, type CloudProcess } from './cloud-process.ts'
import { inGuest, newKey } from './guest-shell.ts'
import { stockClient, type StockClient } from './stock-client.ts'

let cloud: CloudProcess
let client: StockClient
let folder = ''
let key = ''
let floating = ''

const pings = (address: string): Promise<boolean> =>
  new Promise((done) => {
    execFile('ping', ['-n', '-c', '1', '-W', '1', address], (error) => done(error === null))
  })

/** How many milliseconds it took. */
async function until(holds: () => Promise<boolean>, milliseconds: number): Promise<number> {
  const began = performance.now()
  while (!(await holds())) {
    assert.ok(performance.now() - began < milliseconds, `not within ${milliseconds} ms`)
    await pause(20)
  }
  return performance.now() - began
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'floating-ip-'))
  key = join(folder, 'key')
  await newKey(key)
  cloud = await cloudProcess()
  await cloud.start()
  client = stockClient(cloud)
})
after(async () => {
  await cloud.remove()
  rmSync(folder, { recursive: true, force: true })
})

test('a router leads to two networks of a user, and out to public', async () => {
  await client.run('router', 'create', '--external-gateway', 'public', 'way')
  const connect = async (name: string, range: string): Promise<void> => {
    await client.run('network', 'create', name)
    await client.run('subnet', 'create', '--network', name, '--subnet-range', range, name)
    await client.run('router', 'add', 'subnet', 'way', name)
  }
  await Promise.all([connect('front', '10.177.0.0/24'), connect('back', '10.177.1.0/24')])
  await client.run('keypair', 'create', '--public-key', `${key}.pub`, 'mine')
  const boot = (name: string) =>
    client.run(
      'server',
      'create',
      '--flavor',
      'm1.nano',
      '--image',
      'demo',
      '--key-name',
      'mine',
      '--network',
      name,
      '--wait',
      name,
    )
  await Promise.all([boot('front'), boot('back')])
})

test('a guest answers at its floating IP, knows its metadata, and reaches the other network', async () => {
  floating = await client.value('floating_ip_address', 'floating', 'ip', 'create', 'public')
  assert.equal(await pings(floating), false)
  await client.run('server', 'add', 'floating', 'ip', 'front', floating)
  await until(() => pings(floating), 60_000)
  assert.ok((await addressesOf('front')).includes(floating), 'the server shows it')
  assert.equal(await inGuest(floating, key, 'hostname'), 'front')
  const metadata = await inGuest(
    floating,
    key,
    'timeout 10 wget -q -O - http://169.254.169.254/openstack/latest/meta_data.json',
  )
  assert.equal((JSON.parse(metadata) as { name: string }).name, 'front')
  const [back = ''] = await addressesOf('back')
  assert.match(await inGuest(floating, key, `ping -c 1 -W 10 ${back}`), / 0% packet loss/)
})

test('a floating IP that is moved leads to the other guest at once; that one had reached outside without', async () => {
  const gateway = await client.value('gateway_ip', 'subnet', 'show', 'public')
  await client.run('server', 'remove', 'floating', 'ip', 'front', floating)
  assert.equal(await pings(floating), false)
  await client.run('server', 'add', 'floating', 'ip', 'back', floating)
  await until(() => pings(floating), 1_000)
  assert.equal(await inGuest(floating, key, 'hostname'), 'back')
  assert.match(await inGuest(floating, key, `ping -c 1 -W 10 ${gateway}`), / 0% packet loss/)
})

test('when all of it is deleted, nothing is left on the host', async () => {
  await client.run('server', 'delete', '--wait', 'front', 'back')
  await client.run('floating', 'ip', 'delete', floating)
  await Promise.all(['front', 'back'].map((name) => client.run('router', 'remove', 'subnet', 'way', name)))
  await client.run('router', 'delete', 'way')
  await client.run('network', 'delete', 'front', 'back')
  const { namespaces, links, routes, processes } = await inventoryOf(namesOf(cloud.installationId()))
  assert.deepEqual({ namespaces, links, routes, processes }, { namespaces: [], links: [], routes: [], processes: [] })
})

async function addressesOf(name: string): Promise<readonly string[]> {
  const { addresses } = await client.json<{ addresses: Record<string, string[]> }>('server', 'show', name)
  return addresses[name] ?? []
}
