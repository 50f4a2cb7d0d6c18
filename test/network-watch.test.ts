/** Changes in the network service reach the hosts that have the ports, soon, whatever was away meanwhile. Over the companion and fake hosts. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '@kilonova/base/clock.ts'
import { silentLog } from '@kilonova/base/log.ts'
import { testNetwork } from '@kilonova/companions/test-cloud.ts'
import { keystone } from '@kilonova/kilonova/clients/keystone.ts'
import { networkChanges } from '@kilonova/kilonova/clients/network-changes.ts'
import { startCompute, type Compute } from '@kilonova/kilonova/compute/agent.ts'
import { memoryFences } from '@kilonova/kilonova/compute/fence-store.ts'
import { answerComputes } from '@kilonova/kilonova/conductor/answer-computes.ts'
import { startNetworkWatch } from '@kilonova/kilonova/conductor/network-watch.ts'
import { openKilonovaDatabase } from '@kilonova/kilonova/db/database.ts'
import { PORTS_PLUGGED } from '@kilonova/kilonova/rpc/conductor.ts'
import { memoryBus } from '@kilonova/kilonova/rpc/memory/bus.ts'
import type { PortFacts } from '@kilonova/kilonova/virt/driver.ts'
import { fakeDriver } from '@kilonova/kilonova/virt/fake/driver.ts'
import { faults } from '@kilonova/kilonova/virt/fake/faults.ts'

/** On an idle machine a tenth of a second; e2e/matrix/network.e2e.ts holds it to one. */
const SOON_MS = 20_000

async function cloud(t: TestContext) {
  const neighbours = await testNetwork()
  t.after(() => neighbours.close())
  const admin = await neighbours.person('admin', neighbours.network.url)
  const demo = await neighbours.person('demo', neighbours.network.url)
  const database = await openKilonovaDatabase({ url: 'sqlite::memory:', synchronous: 'normal' })
  t.after(() => database.close())
  const clock = systemClock()
  const bus = memoryBus()
  const db = database.kysely
  const identity = keystone({
    authUrl: neighbours.identity.url,
    username: 'kilonova',
    password: 'service-secret',
    projectName: 'service',
    userDomainName: 'default',
    projectDomainName: 'default',
    regionName: undefined,
    interface: 'public',
    clock,
  })
  const changes = networkChanges(identity, { endpoint: neighbours.network.url })
  t.after(answerComputes({ db, bus, clock, log: silentLog, ask: async () => 'nostate', defaultZone: 'nova' }))
  const wrong = faults()
  const driver = fakeDriver({ host: 'host-1', clock, faults: wrong })
  let compute: Compute | undefined
  const startHost = async () => {
    compute = await startCompute({
      host: 'host-1',
      driver,
      bus,
      clock,
      log: silentLog,
      fences: memoryFences(),
      reportIntervalMs: 3_600_000,
    })
  }
  await startHost()
  t.after(() => compute?.close())

  const make = async (what: string, fields: object, who = demo): Promise<string> => {
    const { status, body } = await who.call('POST', `/v2.0/${what.replaceAll('_', '-')}s`, { [what]: fields })
    assert.equal(status, 201, JSON.stringify(body))
    return (body as Record<string, { id: string }>)[what]?.id ?? ''
  }
  const network = await make('network', {})
  await make('subnet', { network_id: network, ip_version: 4, cidr: '10.0.0.0/24' })
  const port = (fields: object) =>
    make(
      'port',
      {
        network_id: network,
        project_id: demo.projectId,
        device_id: 'server-1',
        device_owner: 'compute:nova',
        'binding:host_id': 'host-1',
        ...fields,
      },
      admin,
    )
  return {
    admin,
    demo,
    bus,
    driver,
    wrong,
    network,
    make,
    port,
    /** Plugs the ports as they are now, as a create would. */
    plug: async (...ids: readonly string[]) => {
      const found = await changes.boundPorts({ by: 'id', values: ids })
      await driver.plug('server-1', await changes.facts(found, () => 'one'))
    },
    restartHost: async (meanwhile: () => Promise<unknown>) => {
      await compute?.close()
      await meanwhile()
      await startHost()
    },
    watch: (name = 'conductor') => {
      const watch = startNetworkWatch({ db, bus, changes, clock, log: silentLog }, { name, leaseMs: 300 })
      t.after(() => watch.close())
      return watch
    },
    /** Waits until what the host knows of the port is as wished. */
    until: async (id: string, wish: (facts: PortFacts) => boolean): Promise<void> => {
      const began = performance.now()
      for (;;) {
        const facts = driver.portFacts(id)
        if (facts && wish(facts)) return
        if (performance.now() - began > SOON_MS) assert.fail(`the host has ${JSON.stringify(facts)}`)
        await delay(2)
      }
    },
  }
}

const lets = (portMin: number) => (facts: PortFacts) =>
  facts.rules.some((rule) => rule.direction === 'ingress' && rule.portMin === portMin)
const settled = () => delay(700)

test('a rule that is added or removed reaches the host of a running guest', async (t) => {
  const { demo, make, port, plug, watch, until } = await cloud(t)
  const group = await make('security_group', { name: 'web' })
  const id = await port({ security_groups: [group] })
  await plug(id)
  watch()
  await settled()
  const rule = await make('security_group_rule', {
    security_group_id: group,
    direction: 'ingress',
    protocol: 'tcp',
    port_range_min: 80,
    port_range_max: 80,
  })
  await until(id, lets(80))
  await demo.call('DELETE', `/v2.0/security-group-rules/${rule}`)
  await until(id, (facts) => !lets(80)(facts))
})

test('so do address pairs, port security, the state of a port, and what its subnet tells', async (t) => {
  const { demo, network, port, plug, watch, until, make } = await cloud(t)
  const own = await make('network', {})
  const subnet = await make('subnet', { network_id: own, ip_version: 4, cidr: '10.9.0.0/24' })
  const id = await port({ network_id: own })
  await plug(id)
  watch()
  await settled()
  const set = async (fields: object) => {
    const { status, body } = await demo.call('PUT', `/v2.0/ports/${id}`, { port: fields })
    assert.equal(status, 200, JSON.stringify(body))
  }
  await set({ allowed_address_pairs: [{ ip_address: '10.9.0.0/28' }, { ip_address: '10.9.0.77' }] })
  await until(id, ({ allowedPairs }) => allowedPairs.map(({ cidr }) => cidr).join() === '10.9.0.0/28,10.9.0.77/32')
  await set({ admin_state_up: false })
  await until(id, ({ adminUp }) => !adminUp)
  await set({ admin_state_up: true, allowed_address_pairs: [], security_groups: [], port_security_enabled: false })
  await until(id, ({ adminUp, portSecurity, rules }) => adminUp && !portSecurity && rules.length === 0)
  await demo.call('PUT', `/v2.0/subnets/${subnet}`, { subnet: { dns_nameservers: ['192.0.2.53'] } })
  await until(id, ({ subnets }) => subnets[0]?.dnsServers[0] === '192.0.2.53')
  assert.notEqual(own, network)
})

test('a new member of a group is let in by the ports that name it', async (t) => {
  const { make, port, plug, watch, until } = await cloud(t)
  const group = await make('security_group', { name: 'cluster' })
  await make('security_group_rule', { security_group_id: group, direction: 'ingress', remote_group_id: group })
  const first = await port({ security_groups: [group], fixed_ips: [{ ip_address: '10.0.0.11' }] })
  await plug(first)
  watch()
  await settled()
  await port({ security_groups: [group], fixed_ips: [{ ip_address: '10.0.0.12' }] })
  await until(first, ({ rules }) => rules.some(({ remotes }) => remotes.join() === '10.0.0.11/32,10.0.0.12/32'))
})

test('what was plugged from facts that were old by then is brought up to date', async (t) => {
  const { make, port, plug, watch, until, bus, driver } = await cloud(t)
  const group = await make('security_group', { name: 'web' })
  const id = await port({ security_groups: [group] })
  await plug(id)
  const old = driver.portFacts(id)
  assert.ok(old)
  watch()
  await make('security_group_rule', {
    security_group_id: group,
    direction: 'ingress',
    protocol: 'tcp',
    port_range_min: 81,
    port_range_max: 81,
  })
  await until(id, lets(81))
  await settled()
  await driver.plug('server-1', [old])
  bus.publish(PORTS_PLUGGED, { ports: [id] })
  await until(id, lets(81))
})

test('a host that was away, or failed, is told when it is back', async (t) => {
  const { make, port, plug, watch, until, restartHost, wrong } = await cloud(t)
  const group = await make('security_group', { name: 'web' })
  const id = await port({ security_groups: [group] })
  await plug(id)
  watch()
  await settled()
  const open = (portMin: number) =>
    make('security_group_rule', {
      security_group_id: group,
      direction: 'ingress',
      protocol: 'tcp',
      port_range_min: portMin,
      port_range_max: portMin,
    })
  await restartHost(async () => {
    await open(82)
    await settled()
  })
  await until(id, lets(82))
  wrong.inject('refreshPorts', { at: 'before', what: 'error' })
  await open(83)
  await until(id, lets(83))
})

test('of two conductors one watches; the other goes on when it is gone', async (t) => {
  const { make, port, plug, watch, until, driver } = await cloud(t)
  const group = await make('security_group', { name: 'web' })
  const id = await port({ security_groups: [group] })
  await plug(id)
  let told = 0
  const refresh = driver.refreshPorts
  Object.assign(driver, { refreshPorts: (ports: readonly PortFacts[]) => (told++, refresh(ports)) })
  const first = watch('one')
  await settled()
  watch('two')
  await settled()
  assert.equal(told, 1)
  await first.close()
  await settled()
  await make('security_group_rule', {
    security_group_id: group,
    direction: 'ingress',
    protocol: 'tcp',
    port_range_min: 84,
    port_range_max: 84,
  })
  await until(id, lets(84))
})

test('routers and floating IPs reach the hosts with a guest behind them within a second, and go from those that have none', async (t) => {
  const { admin, demo, driver, make, network, port, restartHost, watch } = await cloud(t)
  const guest = await port({})
  watch()
  const outside = await make('network', { 'router:external': true }, admin)
  await make('subnet', { network_id: outside, ip_version: 4, cidr: '172.24.4.0/24' }, admin)
  const router = await make('router', { external_gateway_info: { network_id: outside } })
  const subnets = await demo.call('GET', `/v2.0/subnets?network_id=${network}`)
  const [subnet] = (subnets.body as { subnets: { id: string }[] }).subnets
  const change = async (method: 'PUT', path: string, body: object) => {
    const { status, body: answer } = await demo.call(method, path, body)
    assert.ok(status < 300, JSON.stringify(answer))
  }
  const until = async (wish: (routers: ReturnType<typeof driver.routers>) => boolean): Promise<void> => {
    const began = performance.now()
    while (!wish(driver.routers())) {
      assert.ok(performance.now() - began < 1_000, JSON.stringify(driver.routers()))
      await delay(2)
    }
  }

  await change('PUT', `/v2.0/routers/${router}/add_router_interface`, { subnet_id: subnet?.id })
  await until(([first]) => first?.interfaces[0]?.fixedIps[0]?.address === '10.0.0.1')
  const [made] = driver.routers()
  assert.equal(made?.gateway?.snat, true)
  assert.deepEqual(
    made?.gateway?.subnets.map(({ cidr, gateway, routed }) => [cidr, gateway, routed]),
    [['172.24.4.0/24', '172.24.4.1', true]],
  )

  const floating = await make('floatingip', { floating_network_id: outside, port_id: guest })
  await until(([first]) => first?.floatingIps.length === 1)
  await change('PUT', `/v2.0/floatingips/${floating}`, { floatingip: { port_id: null } })
  await until(([first]) => first?.floatingIps.length === 0)
  const routes = [{ destination: '10.9.0.0/16', nexthop: '10.0.0.9' }]
  await change('PUT', `/v2.0/routers/${router}`, { router: { routes } })
  await until(([first]) => first?.routes.length === 1)

  await restartHost(() => driver.applyRouters([]))
  await until((all) => all.length === 1)
  await change('PUT', `/v2.0/routers/${router}`, { router: { admin_state_up: false } })
  await until((all) => all.length === 0)
  await change('PUT', `/v2.0/routers/${router}`, { router: { admin_state_up: true } })
  await until((all) => all.length === 1)
  await admin.call('DELETE', `/v2.0/ports/${guest}`)
  await until((all) => all.length === 0)
})
