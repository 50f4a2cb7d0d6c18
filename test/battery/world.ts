/** A small cloud in one process: a database in memory, fake hosts, the companions' network service; and a count of all there is in it. */
import { freshDatabase, testNetwork } from '@kilonova/companions/test-cloud.ts'
import { newId } from '@kilonova/base/clock.ts'
import { silentLog } from '@kilonova/base/log.ts'
import { ACTIONS } from '@kilonova/kilonova/actions/index.ts'
import { admit, admitCreate, type Caller } from '@kilonova/kilonova/actions/admit.ts'
import type { ServerAction } from '@kilonova/kilonova/actions/define.ts'
import { keystone } from '@kilonova/kilonova/clients/keystone.ts'
import { neutron } from '@kilonova/kilonova/clients/neutron.ts'
import { startCompute } from '@kilonova/kilonova/compute/agent.ts'
import { memoryFences } from '@kilonova/kilonova/compute/fence-store.ts'
import { startConductor } from '@kilonova/kilonova/conductor/conductor.ts'
import { startImageRelay } from '@kilonova/kilonova/conductor/image-relay.ts'
import { openKilonovaDatabase } from '@kilonova/kilonova/db/database.ts'
import { findServer, type NewServer } from '@kilonova/kilonova/db/servers.ts'
import { findTask } from '@kilonova/kilonova/db/tasks.ts'
import { demoServer } from '@kilonova/kilonova/domain/server-fixture.ts'
import type { RequestedNic, Server } from '@kilonova/kilonova/domain/server.ts'
import { startScheduler } from '@kilonova/kilonova/placement/scheduler.ts'
import { memoryBus } from '@kilonova/kilonova/rpc/memory/bus.ts'
import { killPoints, type KillPoints } from '@kilonova/kilonova/task/kill-points.ts'
import { fakeDriver } from '@kilonova/kilonova/virt/fake/driver.ts'
import { faults } from '@kilonova/kilonova/virt/fake/faults.ts'
import { BODIES } from './bodies.ts'
import { heardLog } from './heard-log.ts'
import type { Life } from './life.ts'
import { image, imageService, type Asked, type Counts, type Standing } from './things.ts'
import { seed, switchableWeather } from './weather.ts'

const HOSTS = ['host-1', 'host-2']
const UNLIMITED = { instances: -1, cores: -1, ram: -1 }

export type World = Awaited<ReturnType<typeof world>>

export async function world() {
  const companions = await testNetwork()
  const { clock } = companions
  const admin = await companions.person('admin', companions.network.url)
  const project = companions.projects['demo'] ?? ''
  const caller: Caller = { userId: 'alice', projectId: project, requestId: 'req-battery', isAdmin: true }
  const post = async (what: string, body: object): Promise<string> => {
    const answer = await admin.call('POST', `/v2.0/${what}s`, { [what]: body })
    return (answer.body as Record<string, { id: string }>)[what]?.id ?? ''
  }
  // Every case leaves a server and its ports.
  await admin.call('PUT', `/v2.0/quotas/${project}`, { quota: { port: -1 } })
  const network = await post('network', { name: 'private', shared: true })
  await post('subnet', { network_id: network, ip_version: 4, cidr: '10.0.0.0/16' })

  // Every case leaves a server and its ports.
  await admin.call('PUT', `/v2.0/quotas/${project}`, { quota: { port: -1 } })
  const database = await openKilonovaDatabase({ url: await freshDatabase(), synchronous: 'normal' })
  const db = database.kysely
  const { weather, set: setWeather } = switchableWeather(seed)
  const bus = memoryBus(weather)
  const heard = heardLog()
  const identity = keystone({
    authUrl: companions.identity.url,
    username: 'kilonova',
    password: 'service-secret',
    projectName: 'service',
    userDomainName: 'default',
    projectDomainName: 'default',
    regionName: undefined,
    interface: 'public',
    clock,
  })
  const networkClient = neutron(identity, { endpoint: companions.network.url, clock })
  const { glance, images: stored } = imageService()
  const images = await startImageRelay({ host: '127.0.0.1', port: 0, glance, clock, log: silentLog })
  const scheduler = startScheduler({
    db,
    bus,
    clock,
    log: silentLog,
    options: {
      enabledFilters: ['ComputeFilter', 'CoreFilter', 'RamFilter', 'DiskFilter'],
      multipliers: {},
      defaultArchitecture: null,
      cpuAllocationRatio: 1,
      ramAllocationRatio: 1,
      diskAllocationRatio: 1,
      reservedHostMemoryMb: 0,
      reservedHostDiskMb: 0,
      serviceDownMs: 600_000,
    },
  })
  const wrong = faults()
  const drivers = new Map(
    HOSTS.map((host) => [
      host,
      fakeDriver({ host, clock, vcpus: 10_000, memoryMb: 10_000_000, diskGb: 100_000, faults: wrong }),
    ]),
  )

  const startHost = (host: string) => {
    const driver = drivers.get(host)
    if (!driver) throw new Error(`there is no host ${host}`)
    return startCompute({
      host,
      driver,
      bus,
      clock,
      log: silentLog,
      fences: memoryFences(),
      reportIntervalMs: 3_600_000,
      syncPowerIntervalMs: 3_600_000,
    })
  }
  /** A conductor of this name; the next one takes over what it held. */
  const conductor = (
    living: Life,
    actions: Readonly<Record<string, ServerAction>> = ACTIONS,
    kills: KillPoints = killPoints({}),
    more: object = {},
  ) =>
    startConductor(
      {
        actions,
        db: living.database(db),
        bus: living.bus(bus),
        neutron: networkClient,
        glance,
        images,
        guestData: {
          vendorData: { fixed: async () => ({}), combined: async () => ({}) },
          dhcpDomain: '',
          skippedVersions: [],
        },
        clock,
        log: heard.log,
        kills,
      },
      {
        name: 'conductor',
        leaseMs: 60_000,
        pollMs: 5,
        maxRunning: 100,
        serviceDownMs: 600_000,
        defaultZone: 'nova',
        shutdownTimeoutSeconds: 60,
        softRebootTimeoutSeconds: 60,
        retryTries: 3,
        retryFirstDelayMs: 1,
        maxBackOffMs: 4,
        verbTimeoutMs: 100,
        placeTimeoutMs: 100,
        ...more,
      },
    )

  return {
    db,
    kind: database.kind,
    bus,
    clock,
    caller,
    project,
    drivers,
    heard,
    wrong,
    setWeather,
    conductor,
    startHost,
    hosts: HOSTS,
    neutron: networkClient,
    keystone: identity,
    networkUrl: companions.network.url,
    glance,
    network,
    /** Speaks to the network service. */
    person: (name: 'demo' | 'other' | 'admin') => companions.person(name, companions.network.url),

    /** A port that its user made: it must outlive every server. */
    userPort: () => post('port', { network_id: network, project_id: project }),
    removePort: async (id: string): Promise<void> => void (await admin.call('DELETE', `/v2.0/ports/${id}`)),

    /** Asks for a server with two interfaces, one on a port of the user's own; returns its id and its task's. */
    create: async (portId?: string): Promise<Asked> => {
      const [asked] = await askFor(1, [
        { networkId: network },
        ...(portId === undefined ? [] : [{ networkId: network, portId }]),
      ])
      if (!asked) throw new Error('nothing was asked for')
      return asked
    },
    /** Asks for several by one request. */
    createSeveral: (count: number, wish: Partial<NewServer> = {}): Promise<readonly Asked[]> =>
      askFor(count, [{ networkId: network }], wish),
    admission: { db, bus, clock },
    ask: async (action: ServerAction, serverId: string, wish?: object): Promise<Asked> => {
      const server = await findServer(db, serverId)
      const body = wish ?? (server && BODIES[action.name]?.(server))
      await admit({ db, bus, clock }, caller, action, serverId, body ?? null)
      return asked(serverId)
    },
    server: async (id: string): Promise<Server> => {
      const server = await findServer(db, id, { deleted: true })
      if (!server) throw new Error(`there is no server ${id}`)
      return server
    },
    standing: async (id: string): Promise<Standing> => {
      const server = await findServer(db, id, { deleted: true })
      return {
        vmState: server?.vmState ?? '',
        taskState: server?.taskState ?? null,
        powerState: server?.powerState ?? '',
        placed: server?.host !== null,
      }
    },
    counts: async (): Promise<Counts> => {
      const inventories = [...drivers.values()].map((driver) => driver.inventory())
      const sum = (of: (inventory: (typeof inventories)[number]) => number) =>
        inventories.reduce((total, each) => total + of(each), 0)
      const guests = (await Promise.all([...drivers.values()].map((driver) => driver.guests()))).flat()
      const { body } = await admin.call('GET', '/v2.0/ports?fields=id&fields=device_id')
      const { ports } = body as { ports: readonly { device_id: string }[] }
      const count = async (table: 'allocations' | 'owed') =>
        Number(
          (
            await db
              .selectFrom(table)
              .select(({ fn }) => fn.countAll<number>().as('n'))
              .executeTakeFirst()
          )?.n,
        )
      const unfinished = await db
        .selectFrom('tasks')
        .select('id')
        .where(({ or, eb }) => or([eb('finished_at', 'is', null), eb('leased_until', '>', 0)]))
        .execute()
      const held = await db.selectFrom('servers').select('id').where('task_id', 'is not', null).execute()
      return {
        guests: guests.map(({ serverId, powerState }) => `${serverId} ${powerState}`).toSorted(),
        disks: sum(({ disks }) => disks),
        configDrives: sum(({ configDrives }) => configDrives),
        memories: sum(({ memories }) => memories),
        snapshots: sum(({ snapshots }) => snapshots),
        cards: sum(({ cards }) => cards),
        images: stored.size,
        plugged: sum((inventory) => inventory.ports),
        ports: ports.length,
        boundPorts: ports.filter(({ device_id }) => device_id !== '').length,
        allocations: await count('allocations'),
        owed: await count('owed'),
        unfinished: unfinished.length,
        held: held.length,
      }
    },
    /** When the task has ended: how. */
    ended: (taskId: string): Promise<'succeeded' | 'undone'> => {
      const { promise, resolve, reject } = Promise.withResolvers<'succeeded' | 'undone'>()
      const look = async () => {
        const row = await findTask(db, taskId)
        if (row && row.finished_at !== null) resolve(row.status as 'succeeded' | 'undone')
      }
      const stop = heard.on((phrase, { task }) => {
        if (phrase.startsWith('task ') && String(task).endsWith(taskId)) look().catch(reject)
      })
      look().catch(reject)
      return promise.finally(stop)
    },
    close: async () => {
      setWeather('calm')
      await scheduler.close()
      await images.close()
      await bus.close()
      await database.close()
      await companions.close()
    },
  }

  async function askFor(
    count: number,
    requestedNics: readonly RequestedNic[],
    wish: Partial<NewServer> = {},
  ): Promise<readonly Asked[]> {
    const { taskId: _, epoch: _e, ...rest } = demoServer()
    const reservationId = newId()
    const servers = Array.from({ length: count }, (_each, launchIndex): NewServer => ({
      ...rest,
      id: newId(),
      projectId: project,
      image,
      localDisks: { ephemeralsGb: [1], swapMb: 64 },
      requestedNics,
      configDrive: true,
      vmState: 'building',
      taskState: 'scheduling',
      powerState: 'nostate',
      reservationId,
      launchIndex,
      createdAt: clock.now(),
      ...wish,
    }))
    await admitCreate({ db, bus, clock }, caller, servers, { onlyHost: null, securityGroupIds: [] }, UNLIMITED)
    return Promise.all(servers.map(({ id }) => asked(id)))
  }

  async function asked(serverId: string): Promise<Asked> {
    const server = await findServer(db, serverId)
    return { serverId, taskId: server?.taskId ?? '' }
  }
}
