/** For tests: the API over a database of its own, with identity, image and network services that hold their state in this process. */
import type { TestContext } from 'node:test'
import { newId, systemClock, type Clock } from '@kilonova/base/clock.ts'
import { exchange, type HttpAnswer } from '@kilonova/base/http/client.ts'
import { silentLog } from '@kilonova/base/log.ts'
import type { Glance, ImageFacts } from '../../clients/glance.ts'
import type { Identity, Keystone } from '../../clients/keystone.ts'
import type { Network, Neutron, Port } from '../../clients/neutron.ts'
import { readConfig, type Overrides } from '../../config/index.ts'
import type { Db } from '../../db/database.ts'
import { insertFlavor } from '../../db/flavors.ts'
import { keepReport } from '../../db/hosts.ts'
import { openTestDatabase } from '../../db/testing/test-database.ts'
import { NovaError } from '../../domain/errors.ts'
import type { Flavor } from '../../domain/flavor.ts'
import type { HostReport } from '../../domain/host.ts'
import { policy } from '../../policy/policy.ts'
import { memoryBus } from '../../rpc/memory/bus.ts'
import type { Bus } from '../../rpc/bus.ts'
import { startApi } from '../app.ts'
import { neighbours, neighbourState, type NeighbourState } from './neighbours.ts'

export interface Cloud {
  readonly url: string
  readonly db: Db
  readonly bus: Bus
  readonly clock: Clock
  readonly identities: Map<string, Identity>
  readonly images: Map<string, ImageFacts>
  readonly networks: Map<string, Network>
  readonly ports: Map<string, Port>
  readonly securityGroups: Map<string, string>
  /** What the network and image services keep, as they write it; `networks`, `ports` and `images` above are seen through them, too. */
  readonly kept: NeighbourState
  /** Ends those who work on the database beside the API, before it goes. */
  readonly standIns: (() => Promise<unknown>)[]
  /** Moves the clock forward. */
  pass(ms: number): void
  call(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH' | 'HEAD',
    path: string,
    options?: CallOptions,
  ): Promise<HttpAnswer>
}
export interface CallOptions {
  readonly json?: unknown
  /** `member` (the default), `admin`, `other` (a member of another project), `reader`, `service`, or any text. */
  readonly as?: string
  readonly version?: string
  readonly headers?: Readonly<Record<string, string>>
}

export const PROJECT = '11111111111111111111111111111111'
export const OTHER_PROJECT = '22222222222222222222222222222222'
export const ADMIN_PROJECT = '33333333333333333333333333333333'
const HOUR_MS = 3600_000

const identity = (userId: string, projectId: string, roles: readonly string[], now: number): Identity => ({
  userId,
  userName: userId,
  projectId,
  projectName: projectId,
  domainId: 'default',
  roles,
  expiresAt: now + HOUR_MS,
})

export const imageOf = (change: Partial<ImageFacts> = {}): ImageFacts => ({
  id: newId(),
  name: 'demo',
  status: 'active',
  diskFormat: 'qcow2',
  containerFormat: 'bare',
  minDiskGb: 0,
  minRamMb: 0,
  sizeBytes: 1_000_000,
  virtualSizeBytes: 1_000_000,
  hashAlgorithm: 'sha512',
  hash: 'abc',
  properties: {},
  ...change,
})
export const flavorOf = (change: Partial<Flavor> = {}): Flavor => ({
  id: '1',
  name: 'm1.tiny',
  vcpus: 1,
  memoryMb: 512,
  rootGb: 1,
  ephemeralGb: 0,
  swapMb: 0,
  rxtxFactor: 1,
  isPublic: true,
  disabled: false,
  description: null,
  extraSpecs: {},
  ...change,
})
export const networkOf = (change: Partial<Network> = {}): Network => ({
  id: newId(),
  name: 'private',
  mtu: 1450,
  projectId: ADMIN_PROJECT,
  shared: true,
  external: false,
  adminUp: true,
  subnets: [newId()],
  portSecurity: true,
  tags: [],
  ...change,
})
export const portOf = (change: Partial<Port> = {}): Port => ({
  id: newId(),
  networkId: newId(),
  projectId: PROJECT,
  mac: 'fa:16:3e:00:00:01',
  fixedIps: [{ address: '10.0.0.5', subnetId: newId() }],
  deviceId: '',
  deviceOwner: '',
  host: '',
  vifType: 'unbound',
  status: 'DOWN',
  adminUp: true,
  allowedPairs: [],
  securityGroups: [],
  portSecurity: true,
  tags: [],
  ...change,
})
export const reportOf = (host: string): HostReport => ({
  host,
  hypervisorHostname: `${host}.example`,
  hypervisorType: 'QEMU',
  hypervisorVersion: 7_002_000,
  hostIp: '192.0.2.1',
  vcpus: 8,
  memoryMb: 16_384,
  diskGb: 100,
  diskFreeGb: 90,
  cpuInfo: {
    arch: 'x86_64',
    model: 'qemu64',
    vendor: 'AMD',
    features: ['sse'],
    topology: { sockets: 1, cores: 8, threads: 1 },
  },
  supportedInstances: [['x86_64', 'qemu', 'hvm']],
  runningServers: 0,
  uptimeSeconds: 60,
})

function keystone(identities: ReadonlyMap<string, Identity>): Keystone {
  return {
    validate: async (token) => identities.get(token),
    serviceToken: async () => 'ours',
    forgetServiceToken: () => undefined,
    projectExists: async (id) => [...identities.values()].some(({ projectId }) => projectId === id),
    endpoint: async (type) => `http://${type}.invalid`,
  }
}

const glance = (images: Map<string, ImageFacts>): Glance => ({
  show: async (id) => images.get(id),
  download: async () => undefined,
  create: async ({ id, name, diskFormat, minDiskGb, minRamMb, properties }) => {
    if (!images.has(id))
      images.set(id, imageOf({ id, name, diskFormat, minDiskGb, minRamMb, properties, status: 'queued' }))
  },
  upload: async (id) => {
    const image = images.get(id)
    if (image) images.set(id, { ...image, status: 'active' })
  },
  remove: async (id) => void images.delete(id),
  withProperties: async (_owner, wanted) =>
    [...images.values()]
      .filter(({ properties }) => Object.entries(wanted).every(([key, value]) => properties[key] === value))
      .map(({ id }) => id)
      .toReversed(),
  urlOf: async (id) => `http://image.invalid/images/${id}`,
})

function neutron({ networks, ports, securityGroups }: Pick<Cloud, 'networks' | 'ports' | 'securityGroups'>): Neutron {
  const unused = async (): Promise<never> => Promise.reject(new Error('the API never does this'))
  return {
    network: async (id) => networks.get(id),
    availableNetworks: async (projectId) =>
      [...networks.values()].filter((network) => network.shared || network.projectId === projectId),
    port: async (id) => ports.get(id),
    securityGroups: async (wanted) =>
      wanted.map((name) => {
        const id = securityGroups.get(name)
        if (id === undefined) throw new NovaError('UnknownSecurityGroup', { id: name })
        return id
      }),
    groups: async (ids) =>
      ids.map((id) => ({
        id,
        name: [...securityGroups].find(([, other]) => other === id)?.[0] ?? id,
        description: '',
        projectId: PROJECT,
        rules: [],
      })),
    portsOf: async ({ id }) => [...ports.values()].filter((port) => port.deviceId === id),
    createPort: unused,
    bindPort: unused,
    unbindPort: unused,
    leaveHost: unused,
    deletePort: unused,
    facts: async (asked) =>
      asked.map((port) => ({
        portId: port.id,
        networkId: port.networkId,
        networkName: networks.get(port.networkId)?.name ?? port.networkId,
        mac: port.mac,
        mtu: 1450,
        fixedIps: [...port.fixedIps],
        subnets: [],
        portSecurity: port.portSecurity,
        adminUp: port.adminUp,
        allowedPairs: [],
        rules: [],
        hostname: '',
      })),
  }
}

/** One host, one flavor, one image and one network are there. Everything is stopped when the test ends. */
export async function cloud(
  t: TestContext,
  overrides: Overrides = {},
  /** As an operator's policy.yaml has them. */
  rules: Readonly<Record<string, string>> = {},
): Promise<Cloud> {
  let offset = 0
  const real = systemClock()
  const clock: Clock = { now: () => real.now() + offset }
  const database = await openTestDatabase()
  const db = database.kysely
  const bus = memoryBus()
  const now = clock.now()
  const identities = new Map([
    ['member', identity('alice', PROJECT, ['member', 'reader'], now)],
    ['reader', identity('rita', PROJECT, ['reader'], now)],
    ['other', identity('bob', OTHER_PROJECT, ['member', 'reader'], now)],
    ['admin', identity('root', ADMIN_PROJECT, ['admin', 'manager', 'member', 'reader'], now)],
    ['service', identity('neutron', ADMIN_PROJECT, ['service'], now)],
  ])
  const state = {
    identities,
    images: new Map<string, ImageFacts>(),
    networks: new Map<string, Network>(),
    ports: new Map<string, Port>(),
    securityGroups: new Map<string, string>(),
  }
  const kept = neighbourState()
  const image = imageOf()
  const network = networkOf()
  state.images.set(image.id, image)
  state.networks.set(network.id, network)
  await insertFlavor(db, flavorOf(), now)
  await keepReport(db, reportOf('host1'), 'nova', now)
  const { url, close } = await startApi({
    host: '127.0.0.1',
    port: 0,
    db,
    bus,
    clock,
    log: silentLog,
    ready: () => undefined,
    config: readConfig('', overrides),
    policy: policy(rules),
    keystone: keystone(identities),
    glance: glance(state.images),
    neutron: neutron(state),
    neighbours: neighbours(kept, state),
  })
  const standIns: (() => Promise<unknown>)[] = []
  t.after(async () => {
    for (const stop of standIns) await stop()
    await close()
    await bus.close()
    await database.close()
  })
  return {
    ...state,
    kept,
    url,
    db,
    bus,
    clock,
    standIns,
    pass: (ms) => void (offset += ms),
    call: (method, path, { json, as = 'member', version, headers = {} } = {}) =>
      exchange({
        method,
        url: path.startsWith('/v2') || path === '/' ? `${url}${path}` : `${url}/v2.1${path}`,
        headers: {
          ...(as === '' ? {} : { 'x-auth-token': as }),
          ...(version === undefined ? {} : { 'openstack-api-version': `compute ${version}` }),
          ...headers,
        },
        ...(json === undefined ? {} : { json }),
      }),
  }
}

/** What an answer's body has under a key, as anything. */
export const at = (answer: HttpAnswer, ...path: readonly (string | number)[]): unknown =>
  path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[key] : undefined,
    answer.body,
  )

/** A server of alice's, as admission leaves it. */
export async function server(it: Cloud, more: object = {}): Promise<string> {
  const answer = await it.call('POST', '/servers', {
    json: { server: { name: 'one', flavorRef: '1', imageRef: [...it.images.keys()][0], ...more } },
  })
  if (answer.status !== 202) throw new Error(`no server was made: ${JSON.stringify(answer.body)}`)
  return String(at(answer, 'server', 'id'))
}

/** Lets its create task have succeeded on host1. */
export async function settled(it: Cloud, id: string): Promise<void> {
  await it.db
    .updateTable('servers')
    .set({
      vm_state: 'active',
      task_state: null,
      power_state: 'running',
      task_id: null,
      host: 'host1',
      hypervisor_hostname: 'host1.example',
      availability_zone: 'nova',
      launched_at: it.clock.now(),
    })
    .where('id', '=', id)
    .execute()
  await it.db
    .updateTable('tasks')
    .set({ status: 'succeeded', finished_at: it.clock.now() })
    .where('server_id', '=', id)
    .execute()
}
