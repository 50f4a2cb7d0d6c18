/**
 * Several users call at once whatever comes to their mind, over a bus that loses, repeats and reorders messages. The calls are seeded
 * (KILONOVA_TEST_SEED); KILONOVA_FUZZ_ROUNDS says for how long, otherwise a machine that is busy ends early.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { exchange, type HttpAnswer } from '@kilonova/base/http/client.ts'
import { neighbour } from '@kilonova/kilonova/clients/neighbour.ts'
import { silentLog } from '@kilonova/base/log.ts'
import { startApi } from '@kilonova/kilonova/api/app.ts'
import { flavorOf } from '@kilonova/kilonova/api/testing/cloud.ts'
import { readConfig } from '@kilonova/kilonova/config/index.ts'
import { insertFlavor } from '@kilonova/kilonova/db/flavors.ts'
import { policy } from '@kilonova/kilonova/policy/policy.ts'
import { life } from '../battery/life.ts'
import { image } from '../battery/things.ts'
import { seeded } from '../battery/weather.ts'
import { world, type World } from '../battery/world.ts'
import { isQuiet, wrongAtRest, wrongNow } from './invariants.ts'

const SEED = Number(process.env['KILONOVA_TEST_SEED'] ?? 20_261_121)
const ROUNDS = Number(process.env['KILONOVA_FUZZ_ROUNDS'] ?? 3)
const MOST_MS = process.env['KILONOVA_FUZZ_ROUNDS'] === undefined ? 12_000 : Infinity
const CALLS = 12
const QUOTA = 6
const SHORT_LEASE = { leaseMs: 2_000 }

interface User {
  readonly name: 'demo' | 'other' | 'admin'
  readonly token: string
  /** Ports of their own. */
  readonly ports: readonly string[]
}
type Send = (method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, json?: unknown) => Promise<HttpAnswer>

const randomOf = (seed: number) => {
  const random = seeded(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  return { below, one: <T>(all: readonly T[]): T | undefined => all[below(all.length)] }
}
type Random = ReturnType<typeof randomOf>

/** One call of a user; what is refused is fine, what fails is not. */
async function call(w: World, user: User, send: Send, { below, one }: Random): Promise<HttpAnswer> {
  const listed = await send('GET', user.name === 'admin' ? '/servers?all_tenants=1' : '/servers')
  const { servers = [] } = listed.body as { servers?: readonly { readonly id: string }[] }
  const server = `/servers/${one(servers)?.id ?? 'none'}`
  const act = (json: object) => send('POST', `${server}/action`, json)
  const create = () => {
    const several = below(4) === 0
    const port = several ? undefined : one([undefined, ...user.ports])
    const networks = one([[{ uuid: w.network }], 'auto', 'none', [{ uuid: w.network }, { uuid: w.network }]])
    return send('POST', '/servers', {
      server: {
        name: 'one',
        flavorRef: one(['1', '1', '1', 'huge']),
        imageRef: image.id,
        networks: port === undefined ? networks : [{ port }],
        ...(several ? { min_count: 1 + below(2), max_count: 3 } : {}),
        ...(below(3) === 0 ? { config_drive: true } : {}),
      },
    })
  }
  const calls: readonly (() => Promise<HttpAnswer>)[] = [
    create,
    create,
    create,
    () => send('DELETE', server),
    () => send('DELETE', server),
    () => act({ 'os-stop': null }),
    () => act({ 'os-start': null }),
    () => act({ pause: null }),
    () => act({ unpause: null }),
    () => act({ suspend: null }),
    () => act({ resume: null }),
    () => act({ restore: null }),
    () => act({ 'kilonova:cancel': null }),
    () => act({ forceDelete: null }),
    () => act({ createImage: { name: 'copy' } }),
    () => act({ createBackup: { name: 'copy', backup_type: 'daily', rotation: 1 } }),
    () => act({ rebuild: { imageRef: image.id, name: 'three' } }),
    () => act({ rescue: null }),
    () => act({ unrescue: null }),
    () => act({ unrescue: null }),
    () => act({ shelve: null }),
    () => act({ shelveOffload: null }),
    () => act({ unshelve: null }),
    () => act({ unshelve: null }),
    () => act({ reboot: { type: 'SOFT' } }),
    () => act({ reboot: { type: 'HARD' } }),
    () => send('PUT', server, { server: { name: 'two', description: 'd' } }),
    () => send('POST', `${server}/metadata`, { metadata: { a: String(below(9)) } }),
    () => send('PUT', `${server}/tags`, { tags: ['t'] }),
    () => send('GET', '/servers/detail'),
    () => send('GET', '/limits'),
  ]
  return servers.length === 0 ? create() : (one(calls) ?? create)()
}

test(
  `${ROUNDS} rounds of ${CALLS} calls by each of five, seed ${SEED}`,
  { timeout: 120_000 + ROUNDS * 20_000 },
  async (t) => {
    const w = await world()
    const conductor = await w.conductor(life(), undefined, undefined, SHORT_LEASE)
    const hosts = await Promise.all(w.hosts.map((host) => w.startHost(host)))
    await insertFlavor(w.db, flavorOf(), w.clock.now())
    await insertFlavor(w.db, flavorOf({ id: 'huge', name: 'huge', memoryMb: 20_000_000 }), w.clock.now())
    const api = await startApi({
      host: '127.0.0.1',
      port: 0,
      db: w.db,
      bus: w.bus,
      clock: w.clock,
      log: silentLog,
      ready: () => undefined,
      config: readConfig('', { quota: { instances: QUOTA, cores: -1, ram: -1 } }),
      policy: policy({}),
      keystone: w.keystone,
      glance: w.glance,
      neutron: w.neutron,
      neighbours: {
        network: neighbour(w.keystone, { type: 'network', endpoint: undefined }),
        image: neighbour(w.keystone, { type: 'image', endpoint: undefined }),
      },
    })
    t.after(async () => {
      await api.close()
      await conductor.close()
      await Promise.all(hosts.map((host) => host.close()))
      await w.close()
    })
    const users = await Promise.all(
      (['demo', 'demo', 'demo', 'other', 'admin'] as const).map(async (name): Promise<User> => {
        const { token, call } = await w.person(name)
        const made = await call('POST', '/v2.0/ports', { port: { network_id: w.network } })
        return { name, token, ports: [(made.body as { port: { id: string } }).port.id] }
      }),
    )
    const owned = users.flatMap(({ ports }) => ports)
    const heard: string[] = []
    const sender =
      ({ name, token }: User): Send =>
      async (method, path, json) => {
        const headers = { 'x-auth-token': token, 'openstack-api-version': 'compute 2.90' }
        const answer = await exchange({
          method,
          url: `${api.url}/v2.1${path}`,
          headers,
          ...(json === undefined ? {} : { json }),
        })
        heard.push(`${name} ${method} ${path} ${JSON.stringify(json) ?? ''}: ${answer.status}`)
        assert.ok(answer.status < 500, `${heard.at(-1)} ${JSON.stringify(answer.body)}`)
        return answer
      }
    const story = () => `seed ${SEED}\n${heard.filter((line) => !line.includes(' GET ')).join('\n')}`
    const quiet = async (): Promise<void> => {
      while (!(await isQuiet(w))) await delay(10)
      w.setWeather('calm')
      // The second copies of messages are still on their way.
      await delay(20)
    }

    const begun = performance.now()
    const isTime = () => performance.now() - begun < MOST_MS
    for (let round = 0; round < ROUNDS && isTime(); round++) {
      w.setWeather('storm')
      await Promise.all(
        users.map(async (user, index) => {
          const random = randomOf(SEED + round * 100 + index)
          for (let number = 0; number < CALLS && isTime(); number++) {
            await call(w, user, sender(user), random)
            assert.deepEqual(await wrongNow(w), [], story())
          }
        }),
      )
      await quiet()
      assert.deepEqual([...(await wrongNow(w)), ...(await wrongAtRest(w, owned))], [], story())
      for (const user of users.slice(2, 4)) {
        const { body } = await sender(user)('GET', '/limits')
        const { totalInstancesUsed: used } = (body as { limits: { absolute: Record<string, number> } }).limits.absolute
        const { body: list } = await sender(user)('GET', '/servers')
        assert.equal((list as { servers: unknown[] }).servers.length, used, story())
        assert.ok(Number(used) <= QUOTA, story())
      }
    }
    const admin = users.at(-1)
    assert.ok(admin)
    const { body } = await sender(admin)('GET', '/servers?all_tenants=1')
    for (const { id } of (body as { servers: readonly { id: string }[] }).servers)
      await sender(admin)('DELETE', `/servers/${id}`)
    await quiet()
    assert.deepEqual(await wrongAtRest(w, owned), [], story())
    const { guests, disks, configDrives, plugged, ports, boundPorts, allocations } = await w.counts()
    assert.deepEqual(
      { guests, disks, configDrives, plugged, ports, boundPorts, allocations },
      { guests: [], disks: 0, configDrives: 0, plugged: 0, ports: owned.length, boundPorts: 0, allocations: 0 },
    )
  },
)
