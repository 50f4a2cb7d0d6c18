/**
 * `npm run bench -- rules`: a rule of a group that 500 ports of one host have, from the API call until the packet filter of their network
 * is another one. The network service, the watch and the host's network are the real ones; there is no guest. Needs root.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@kilonova/base/clock.ts'
import { silentLog } from '@kilonova/base/log.ts'
import { testNetwork } from '@kilonova/companions/test-cloud.ts'
import { keystone } from '@kilonova/kilonova/clients/keystone.ts'
import { networkChanges } from '@kilonova/kilonova/clients/network-changes.ts'
import { startCompute } from '@kilonova/kilonova/compute/agent.ts'
import { memoryFences } from '@kilonova/kilonova/compute/fence-store.ts'
import { answerComputes } from '@kilonova/kilonova/conductor/answer-computes.ts'
import { startNetworkWatch } from '@kilonova/kilonova/conductor/network-watch.ts'
import { openKilonovaDatabase } from '@kilonova/kilonova/db/database.ts'
import { memoryBus } from '@kilonova/kilonova/rpc/memory/bus.ts'
import type { PortFacts } from '@kilonova/kilonova/virt/driver.ts'
import { fakeDriver } from '@kilonova/kilonova/virt/fake/driver.ts'
import { hostNetwork } from '@kilonova/kilonova/virt/network/host-network.ts'
import { removeStrays } from '@kilonova/kilonova/virt/network/inventory.ts'
import { namesOf } from '@kilonova/kilonova/virt/network/names.ts'
import { atMost, median, type Figure } from './figures.ts'

const PORTS = 500
const ROUNDS = 7

export async function rulesFigures(): Promise<readonly Figure[]> {
  const clock = systemClock()
  const stateDir = mkdtempSync(join(tmpdir(), 'kilonova-rules-'))
  const installationId = randomBytes(2).toString('hex')
  const names = namesOf(installationId)
  const neighbours = await testNetwork()
  const database = await openKilonovaDatabase({ url: 'sqlite::memory:', synchronous: 'normal' })
  const db = database.kysely
  const bus = memoryBus()
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
  const network = await hostNetwork({ installationId, stateDir, metadata: undefined, log: silentLog, clock })
  let applied: { readonly after: (ports: readonly PortFacts[]) => void } | undefined
  const hostMs: number[] = []
  const driver = {
    ...fakeDriver({ host: 'host-1', clock }),
    refreshPorts: async (ports: readonly PortFacts[]) => {
      const began = performance.now()
      await network.refresh(ports)
      if (ports.length === PORTS) hostMs.push(performance.now() - began)
      applied?.after(ports)
    },
  }
  const stopAnswering = answerComputes({
    db,
    bus,
    clock,
    log: silentLog,
    ask: async () => 'nostate',
    defaultZone: 'nova',
  })
  const compute = await startCompute({
    host: 'host-1',
    driver,
    bus,
    clock,
    log: silentLog,
    fences: memoryFences(),
    reportIntervalMs: 3_600_000,
  })
  try {
    const admin = await neighbours.person('admin', neighbours.network.url)
    const make = async (what: string, fields: object): Promise<string> => {
      const { status, body } = await admin.call('POST', `/v2.0/${what.replaceAll('_', '-')}s`, { [what]: fields })
      if (status !== 201) throw new Error(`${what}: ${status} ${JSON.stringify(body)}`)
      return (body as Record<string, { id: string }>)[what]?.id ?? ''
    }
    await admin.call('PUT', `/v2.0/quotas/${admin.projectId}`, { quota: { port: -1 } })
    const own = await make('network', {})
    await make('subnet', { network_id: own, ip_version: 4, cidr: '10.9.0.0/20' })
    const group = await make('security_group', { name: 'many' })
    await make('security_group_rule', { security_group_id: group, direction: 'ingress', remote_group_id: group })
    for (let index = 0; index < PORTS; index++)
      await make('port', {
        network_id: own,
        security_groups: [group],
        device_id: `server-${index}`,
        device_owner: 'compute:nova',
        'binding:host_id': 'host-1',
      })
    const ports = await changes.boundPorts({ by: 'network_id', values: [own] })
    const facts = await changes.facts(ports, () => '')
    await Promise.all(facts.map((each, index) => network.plug(`server-${index}`, [each])))

    const apiMs: number[] = []
    const watch = startNetworkWatch({ db, bus, changes, clock, log: silentLog }, { name: 'bench', leaseMs: 30_000 })
    try {
      await whenApplied(
        () => undefined,
        () => true,
      )
      for (let round = 1; round <= ROUNDS; round++) {
        const began = performance.now()
        await whenApplied(
          () =>
            make('security_group_rule', {
              security_group_id: group,
              direction: 'ingress',
              protocol: 'tcp',
              port_range_min: round,
              port_range_max: round,
            }),
          (told) => told.length === PORTS && told.every(({ rules }) => rules.some(({ portMin }) => portMin === round)),
        )
        apiMs.push(performance.now() - began)
      }
    } finally {
      await watch.close()
    }
    return [
      {
        name: `a rule of ${PORTS} ports, API call to packet filter, p50`,
        value: median(apiMs),
        unit: 'ms',
        bar: atMost(1000),
      },
      { name: 'the same, the slowest', value: Math.max(...apiMs), unit: 'ms', bar: atMost(1000) },
      { name: 'of it on the host, p50', value: median(hostMs), unit: 'ms' },
    ]
  } finally {
    await compute.close()
    await stopAnswering()
    await network.close()
    await removeStrays(names, { namespaces: new Set(), links: new Set(), folders: new Map() })
    rmSync(names.runtimeRoot, { recursive: true, force: true })
    rmSync(stateDir, { recursive: true, force: true })
    await neighbours.close()
    await database.close()
  }

  /** Does something and waits until the host was told what is wished. */
  async function whenApplied(begin: () => unknown, wish: (ports: readonly PortFacts[]) => boolean): Promise<void> {
    const told = Promise.withResolvers<void>()
    applied = { after: (ports) => void (wish(ports) && told.resolve()) }
    await begin()
    await told.promise
  }
}
