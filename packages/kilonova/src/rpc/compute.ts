/** What a compute host does when asked: the driver's verbs, fenced. Topic `compute.<host>`. */
import { z } from 'zod'
import { CONSOLE_KINDS } from '../domain/console.ts'
import type { Diagnostics, PasswordOutcome } from '../domain/diagnostics.ts'
import { POWER_STATES } from '../domain/states.ts'
import type {
  ConfigDriveSpec,
  DiskSpec,
  GuestNic,
  GuestSpec,
  ImageTicket,
  PortFacts,
  RouterFacts,
  RouterPort,
  UploadTicket,
} from '../virt/driver.ts'
import { method } from './contract.ts'

export const computeTopic = (host: string): string => `compute.${host}`
/** Where hosts publish what happened by itself, and the ends of long verbs. */
export const HOST_EVENTS = 'host-events'

/** Who asks: the key names task and step; a host refuses a lower epoch than the highest it has seen for the server. */
export const fence = z.strictObject({ serverId: z.string(), key: z.string(), epoch: z.int() })
export type Fence = z.output<typeof fence>

const text = z.record(z.string(), z.string())
const rule = z.strictObject({
  direction: z.enum(['ingress', 'egress']),
  version: z.union([z.literal(4), z.literal(6)]),
  protocol: z.string().nullable(),
  portMin: z.int().nullable(),
  portMax: z.int().nullable(),
  remotes: z.array(z.string()),
  stateful: z.boolean().default(true),
})
const ipv6Mode = z.enum(['slaac', 'dhcpv6-stateful', 'dhcpv6-stateless']).nullable().default(null)
const fixedIps = z.array(z.strictObject({ address: z.string(), subnetId: z.string() }))
const subnets = z.array(
  z.strictObject({
    id: z.string(),
    cidr: z.string(),
    gateway: z.string().nullable(),
    dhcp: z.boolean(),
    dnsServers: z.array(z.string()),
    hostRoutes: z.array(z.strictObject({ destination: z.string(), nexthop: z.string() })),
    routed: z.boolean(),
    raMode: ipv6Mode,
    addressMode: ipv6Mode,
  }),
)
const rate = z.strictObject({
  averageKib: z.number(),
  peakKib: z.number().optional(),
  burstKib: z.number().optional(),
})
/** What has a default came later: a task that began before carries facts without it. */
const port = z.strictObject({
  portId: z.string(),
  networkId: z.string(),
  networkName: z.string(),
  mac: z.string(),
  mtu: z.int(),
  projectId: z.string().optional(),
  vifType: z.string().optional(),
  tag: z.string().optional(),
  quota: z.strictObject({ inbound: rate.optional(), outbound: rate.optional() }).optional(),
  fixedIps,
  subnets,
  portSecurity: z.boolean(),
  adminUp: z.boolean().default(true),
  allowedPairs: z.array(z.strictObject({ cidr: z.string(), mac: z.string() })).default([]),
  rules: z.array(rule),
  hostname: z.string(),
}) satisfies z.ZodType<PortFacts>
const routerPort = z.strictObject({
  portId: z.string(),
  networkId: z.string(),
  mac: z.string(),
  mtu: z.int(),
  fixedIps,
  subnets,
}) satisfies z.ZodType<RouterPort>
const router = z.strictObject({
  routerId: z.string(),
  interfaces: z.array(routerPort),
  gateway: routerPort.extend({ snat: z.boolean() }).nullable(),
  routes: z.array(z.strictObject({ destination: z.string(), nexthop: z.string() })),
  floatingIps: z.array(z.strictObject({ address: z.string(), fixedAddress: z.string() })),
}) satisfies z.ZodType<RouterFacts>
const ticket = z.strictObject({
  imageId: z.string(),
  url: z.string(),
  diskFormat: z.string(),
  sizeBytes: z.number(),
  hashAlgorithm: z.string(),
  hash: z.string(),
}) satisfies z.ZodType<ImageTicket>
const uploadTicket = ticket.pick({ imageId: true, url: true }) satisfies z.ZodType<UploadTicket>
const localDisks = z.strictObject({ ephemeralsGb: z.array(z.int()), swapMb: z.int() })
const disk = z.strictObject({
  serverId: z.string(),
  image: ticket.pick({ imageId: true, diskFormat: true, hash: true, hashAlgorithm: true }),
  rootGb: z.int(),
  local: localDisks.optional(),
  osType: z.string().optional(),
}) satisfies z.ZodType<DiskSpec>
const configDrive = z.strictObject({ serverId: z.string(), files: text }) satisfies z.ZodType<ConfigDriveSpec>
const guest = z.strictObject({
  serverId: z.string(),
  name: z.string(),
  projectId: z.string(),
  userId: z.string(),
  flavor: z.strictObject({
    id: z.string(),
    name: z.string(),
    vcpus: z.int(),
    memoryMb: z.int(),
    rootGb: z.int(),
    extraSpecs: text,
  }),
  imageId: z.string().nullable(),
  imageProperties: text,
  ports: z.array(port),
  configDrive: z.boolean(),
  localDisks: localDisks.optional(),
  rescue: z.strictObject({ imageProperties: text }).optional(),
}) satisfies z.ZodType<GuestSpec>

/** Ports with the same rules name one list of them: a group of a thousand ports is sent once, not a thousand times. */
const refreshedPorts = z.strictObject({
  ports: z.array(port.omit({ rules: true }).extend({ rules: z.int() })),
  rules: z.array(z.array(rule)),
})
type RefreshedPorts = z.output<typeof refreshedPorts>

export function packPorts(ports: readonly PortFacts[]) {
  const numbers = new Map<PortFacts['rules'], number>()
  const numberOf = (rules: PortFacts['rules']): number => {
    const number = numbers.get(rules) ?? numbers.size
    numbers.set(rules, number)
    return number
  }
  return { ports: ports.map((facts) => ({ ...facts, rules: numberOf(facts.rules) })), rules: [...numbers.keys()] }
}

export const unpackPorts = ({ ports, rules }: RefreshedPorts): PortFacts[] =>
  ports.map((facts) => ({ ...facts, rules: rules[facts.rules] ?? [] }))

const guestNic = z.strictObject({
  mac: z.string(),
  bus: z.literal('pci'),
  address: z.string(),
}) satisfies z.ZodType<GuestNic>

const diagnostics = z.strictObject({
  powerState: z.enum(POWER_STATES),
  hypervisor: z.string(),
  memoryMaximumKib: z.number(),
  memoryUsedKib: z.number(),
  memoryDetails: z.record(z.string(), z.number()),
  cpus: z.array(z.strictObject({ id: z.int(), timeNs: z.number() })),
  disks: z.array(
    z.strictObject({
      name: z.string(),
      readBytes: z.number(),
      readRequests: z.number(),
      writeBytes: z.number(),
      writeRequests: z.number(),
    }),
  ),
  nics: z.array(
    z.strictObject({
      name: z.string(),
      mac: z.string(),
      rxBytes: z.number(),
      rxPackets: z.number(),
      rxErrors: z.number(),
      rxDropped: z.number(),
      txBytes: z.number(),
      txPackets: z.number(),
      txErrors: z.number(),
      txDropped: z.number(),
    }),
  ),
}) satisfies z.ZodType<Diagnostics>
const passwordOutcome = z.enum(['set', 'notRunning', 'noAgent', 'refused']) satisfies z.ZodType<PasswordOutcome>
/** Where a host lets one console be reached, for moments and once: connect, send `CONNECT <path> HTTP/1.1`, and after its 200 come the console's bytes. */
const consolePlace = z.strictObject({
  host: z.string(),
  port: z.int(),
  path: z.string(),
  /** SHA-256 of the certificate that it shows; null: it speaks in clear. */
  fingerprint: z.string().nullable(),
})
export type ConsolePlace = z.output<typeof consolePlace>
const consoleKind = z.enum(CONSOLE_KINDS)

const nothing = z.null()
const fenced = <S extends z.ZodRawShape>(shape: S) => z.strictObject({ fence, ...shape })

/** How a long verb stands. It is started once per key, asked for by key, and cancelled by key. */
export const jobStatus = z.discriminatedUnion('state', [
  z.strictObject({ state: z.literal('unknown') }),
  z.strictObject({ state: z.literal('running'), percent: z.number() }),
  z.strictObject({ state: z.literal('done') }),
  z.strictObject({ state: z.literal('failed'), reason: z.string(), retryable: z.boolean() }),
])
export type JobStatus = z.output<typeof jobStatus>

export const compute = {
  startFetchImage: method(fenced({ ticket }), nothing),
  startSnapshot: method(fenced({ snapshotId: z.uuid() }), nothing),
  startUploadSnapshot: method(fenced({ snapshotId: z.uuid(), ticket: uploadTicket }), nothing),
  removeSnapshot: method(fenced({ snapshotId: z.uuid() }), nothing),
  /** As startFetchImage, for nobody in particular: the host's cache alone changes. */
  startCacheImage: method(z.strictObject({ key: z.string(), ticket }), nothing),
  jobStatus: method(z.strictObject({ key: z.string() }), jobStatus),
  cancelJob: method(fenced({ job: z.string() }), nothing),
  createDisk: method(fenced({ disk }), nothing),
  createConfigDrive: method(fenced({ configDrive }), nothing),
  setDisksAside: method(fenced({}), nothing),
  takeDisksBack: method(fenced({}), nothing),
  dropDisksAside: method(fenced({}), nothing),
  createRescueDisk: method(fenced({ disk }), nothing),
  removeRescueDisk: method(fenced({}), nothing),
  removeFiles: method(fenced({}), nothing),
  plug: method(fenced({ ports: z.array(port) }), nothing),
  unplug: method(fenced({}), nothing),
  refreshPorts: method(refreshedPorts, nothing),
  applyRouters: method(z.strictObject({ routers: z.array(router) }), nothing),
  plugNic: method(fenced({ guest, portId: z.string() }), nothing),
  startUnplugNic: method(fenced({ guest, portId: z.string() }), nothing),
  start: method(fenced({ guest }), nothing),
  pause: method(fenced({}), nothing),
  unpause: method(fenced({}), nothing),
  startSuspend: method(fenced({}), nothing),
  shutdown: method(fenced({}), nothing),
  powerOff: method(fenced({}), nothing),
  destroy: method(fenced({}), nothing),
  powerState: method(z.strictObject({ serverId: z.string() }), z.enum(POWER_STATES)),
  missesBase: method(z.strictObject({ serverId: z.string() }), z.boolean()),
  injectNmi: method(z.strictObject({ serverId: z.string() }), z.boolean()),
  setPassword: method(
    z.strictObject({ serverId: z.string(), user: z.string(), password: z.string() }),
    passwordOutcome,
  ),
  diagnostics: method(z.strictObject({ serverId: z.string() }), diagnostics.nullable()),
  guestNics: method(z.strictObject({ serverId: z.string() }), z.array(guestNic)),
  consoleOutput: method(z.strictObject({ serverId: z.string(), maxBytes: z.int() }), z.string()),
  /** Which the guest has; empty while it does not run. */
  consoles: method(z.strictObject({ serverId: z.string() }), z.array(consoleKind)),
  /** Errors: ConsoleUnavailable. */
  openConsole: method(z.strictObject({ serverId: z.string(), kind: consoleKind }), consolePlace),
}
export type ComputeContract = typeof compute

/** Published on HOST_EVENTS. */
export const hostEvent = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('power'),
    host: z.string(),
    serverId: z.string(),
    powerState: z.enum(POWER_STATES),
    event: z.string(),
    at: z.number(),
  }),
  z.strictObject({
    kind: z.literal('job'),
    host: z.string(),
    key: z.string(),
    percent: z.number(),
    ended: z.boolean(),
  }),
  /** It serves, after it was away: what it was told before may be old. */
  z.strictObject({ kind: z.literal('started'), host: z.string() }),
])
export type HostEvent = z.output<typeof hostEvent>
