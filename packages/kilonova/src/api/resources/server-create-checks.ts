/** What `POST /servers` names must exist, belong to the caller and fit together: one check each, which answers what it found. */
import { findFlavor } from '../../db/flavors.ts'
import { zonesOf } from '../../db/host-zones.ts'
import { findKeyPair } from '../../db/key-pairs.ts'
import { findServerGroup } from '../../db/server-groups.ts'
import { NovaError } from '../../domain/errors.ts'
import type { Flavor } from '../../domain/flavor.ts'
import type { KeyPair } from '../../domain/key-pair.ts'
import type { RequestedNic, ServerImage } from '../../domain/server.ts'
import { checkHardware } from '../../domain/hardware/check.ts'
import type { Ctx } from '../context.ts'
import { badRequest } from '../faults.ts'
import type { CreateRequest, Hints } from './server-create-body.ts'
import { isBlank } from './server-create-disks.ts'

type Asked = CreateRequest['server']
const GIB = 1024 ** 3

/** Errors: UnknownFlavor. */
export async function flavorFor({ db, caller }: Ctx, id: string): Promise<Flavor> {
  const flavor = await findFlavor(db, id, caller.isAdmin ? null : caller.projectId)
  if (!flavor) throw new NovaError('UnknownFlavor', { id })
  return flavor
}

/** Errors: UnknownKeypair. */
export async function keyFor({ db, caller }: Ctx, name: string | undefined): Promise<KeyPair | undefined> {
  if (name === undefined) return undefined
  const key = await findKeyPair(db, caller.userId, name)
  if (!key) throw new NovaError('UnknownKeypair', {})
  return key
}

const invalidDevice = (why: string) => badRequest(`Block Device Mapping is Invalid: ${why}`)

export function mustNotTrust(certificates: readonly string[] | null | undefined): void {
  if (certificates)
    throw badRequest('trusted_image_certificates are not supported: the signatures of images are not verified.')
}

/** The image of the root disk, which clients may write down once more as the one local disk that there is. */
function imageId({
  imageRef,
  block_device_mapping: legacy = [],
  block_device_mapping_v2: devices = [],
  ...asked
}: Asked): string {
  if (legacy.length > 0 && devices.length > 0)
    throw badRequest('Using different block_device_mapping syntaxes is not allowed in the same request.')
  if (legacy.length > 0) throw invalidDevice('volumes are not supported.')
  mustNotTrust(asked.trusted_image_certificates)
  const roots = devices.filter((device) => !isBlank(device))
  for (const { source_type: source, destination_type: destination, uuid, boot_index: bootIndex } of roots) {
    if (source === 'volume' || source === 'snapshot' || destination === 'volume')
      throw invalidDevice('volumes are not supported: only one local disk from an image is.')
    if (source === undefined) throw invalidDevice('Invalid source_type field')
    if (!uuid) throw invalidDevice('Missing device UUID.')
    if (!imageRef || bootIndex !== 0) throw invalidDevice('Mapping image to local is not supported.')
  }
  const [root, ...more] = roots
  if (!imageRef) throw badRequest('Invalid imageRef provided.')
  if (more.length > 0 || (root && root.uuid !== imageRef))
    throw invalidDevice('Boot sequence for the instance and image/block device mapping combination is not valid.')
  return imageRef
}

export const bootImage = (ctx: Ctx, asked: Asked, flavor: Flavor): Promise<ServerImage> =>
  imageFor(ctx, imageId(asked), flavor)

/** Errors: ImageNotFound, ImageNotActive, FlavorMemoryTooSmall, FlavorDiskTooSmall, ServiceUnavailable. */
export async function imageFor(ctx: Ctx, id: string, flavor: Flavor): Promise<ServerImage> {
  const image = await ctx.glance.show(id, ctx.caller.token)
  if (!image) throw new NovaError('ImageNotFound', { id })
  if (image.status !== 'active') throw new NovaError('ImageNotActive', { id, status: image.status })
  if (image.minRamMb > flavor.memoryMb)
    throw new NovaError('FlavorMemoryTooSmall', { flavorMb: flavor.memoryMb, imageMb: image.minRamMb })
  if (flavor.rootGb === 0) ctx.check('os_compute_api:servers:create:zero_disk_flavor')
  const neededGb = Math.max(image.minDiskGb, Math.ceil(Math.max(image.sizeBytes, image.virtualSizeBytes ?? 0) / GIB))
  if (flavor.rootGb !== 0 && neededGb > flavor.rootGb)
    throw new NovaError('FlavorDiskTooSmall', { flavorGb: flavor.rootGb, imageGb: neededGb })
  checkHardware({
    vcpus: flavor.vcpus,
    memoryMb: flavor.memoryMb,
    extraSpecs: flavor.extraSpecs,
    properties: image.properties,
  })
  return {
    id,
    name: image.name,
    diskFormat: image.diskFormat,
    minDiskGb: image.minDiskGb,
    minRamMb: image.minRamMb,
    sizeBytes: image.sizeBytes,
    virtualSizeBytes: image.virtualSizeBytes,
    properties: image.properties,
  }
}

export interface Destination {
  readonly zone: string | null
  readonly onlyHost: string | null
  /** Named with the zone: asked for room and life alone. One that was named by itself passes all filters. */
  readonly forced: boolean
}

/** `zone[:host[:node]]`, or a host or hypervisor by name. Errors: UnknownAvailabilityZone, Forbidden, a 400 for an unknown host. */
export async function destination(
  ctx: Ctx,
  { availability_zone: asked = '', host, hypervisor_hostname: node }: Asked,
): Promise<Destination> {
  const [zone = '', forcedHost = '', forcedNode = '', ...more] = asked.split(':')
  if (more.length > 0) throw badRequest('Unable to parse availability_zone')
  const forced = forcedHost !== '' || forcedNode !== ''
  if (forced) ctx.check('os_compute_api:servers:create:forced_host')
  if (host || node) {
    ctx.check('compute:servers:create:requested_destination')
    if (forced)
      throw badRequest(
        'One mechanism with host and/or hypervisor_hostname and another mechanism with zone:host:node are mutually exclusive.',
      )
  }
  const wanted = zone || ctx.config.DEFAULT.default_schedule_zone || null
  const [wantedHost, wantedNode] = [forcedHost || host, forcedNode || node]
  if (wanted === null && !wantedHost && !wantedNode) return { zone: null, onlyHost: null, forced: false }
  const hosts = await zonesOf(ctx.db)
  if (!wantedHost && !wantedNode) return { zone: knownZone(hosts, wanted), onlyHost: null, forced: false }
  const known = hosts.find(
    (each) => (!wantedHost || each.host === wantedHost) && (!wantedNode || each.hypervisorHostname === wantedNode),
  )
  if (!known) throw badRequest(`Compute host ${wantedHost || wantedNode} could not be found.`)
  // A forced host decides the zone: another one that was asked for is forgotten, as upstream does.
  const kept = forced && wanted !== known.zone ? null : wanted
  return { zone: kept === null ? null : knownZone(hosts, kept), onlyHost: known.host, forced }
}

function knownZone(hosts: Awaited<ReturnType<typeof zonesOf>>, wanted: string | null): string | null {
  if (wanted !== null && !hosts.some(({ zone, disabled }) => zone === wanted && !disabled))
    throw new NovaError('UnknownAvailabilityZone', { zone: wanted })
  return wanted
}

export const hintsOf = (request: CreateRequest): Hints =>
  request['os:scheduler_hints'] ?? request['OS-SCH-HNT:scheduler_hints'] ?? {}

/** The group that a hint names; another project's is not there, for administrators neither. Errors: UnknownServerGroup. */
export async function groupFor({ db, caller }: Ctx, { group: hint }: Hints): Promise<string | null> {
  if (hint === undefined) return null
  const [id = '', ...more] = Array.isArray(hint) ? hint : [hint]
  if (more.length > 0) throw badRequest('A server can be in one server group only.')
  const group = await findServerGroup(db, id)
  if (!group || (group.projectId !== caller.projectId && !caller.isAdmin))
    throw new NovaError('UnknownServerGroup', { id })
  return group.id
}

/** The interfaces to make: `auto` and nothing at all become the one network there is. Errors: several NovaErrors of networks and ports. */
export async function nics(ctx: Ctx, asked: Asked['networks'], count: number): Promise<readonly RequestedNic[]> {
  const { neutron, caller } = ctx
  if (asked === 'none') return []
  if (asked !== undefined && asked.length > 0) ctx.check('os_compute_api:servers:create:attach_network')
  if (asked === undefined || asked === 'auto' || asked.length === 0) {
    const usable = (await neutron.availableNetworks(caller.projectId, caller.token)).filter(
      (network) => network.subnets.length > 0,
    )
    const [only, ...more] = usable
    if (more.length > 0) throw new NovaError('NetworkAmbiguous', {})
    if (only) return [{ networkId: only.id }]
    if (asked === 'auto') throw new NovaError('UnableToAutoAllocateNetwork', {})
    return []
  }
  const ports = asked.flatMap(({ port }) => port ?? [])
  const twice = ports.find((port, index) => ports.indexOf(port) !== index)
  if (twice !== undefined)
    throw badRequest(`Port ID '${twice}' was specified twice: you cannot attach a port multiple times.`)
  return Promise.all(asked.map((each) => nic(ctx, each, count)))
}

async function nic(
  { neutron, caller, at }: Ctx,
  {
    uuid,
    port: portId,
    fixed_ip: fixedIp,
    ...rest
  }: {
    uuid?: string | undefined
    port?: string | null | undefined
    fixed_ip?: string | undefined
    tag?: string | undefined
  },
  count: number,
): Promise<RequestedNic> {
  const tag = rest.tag === undefined ? {} : { tag: rest.tag }
  if (portId) {
    if (fixedIp !== undefined)
      throw badRequest(
        `Specified Fixed IP '${fixedIp}' cannot be used with port '${portId}': the two cannot be specified together.`,
      )
    if (count > 1)
      throw badRequest(
        'Unable to launch multiple instances with a single configured port ID. Please launch your instance one by one with different ports.',
      )
    const port = await neutron.port(portId, caller.token)
    if (!port) throw new NovaError('UnknownPort', { id: portId })
    if (port.deviceId !== '') throw new NovaError('PortInUse', { id: portId })
    if (port.fixedIps.length === 0) throw badRequest(`Port ${portId} requires a FixedIP in order to be used.`)
    return { portId, networkId: port.networkId, ...tag }
  }
  if (uuid === undefined) throw badRequest('Bad network format: missing network uuid or port.')
  if (fixedIp !== undefined && count > 1)
    throw badRequest('Unable to launch multiple instances with a single configured fixed IP.')
  const network = await neutron.network(uuid, caller.token)
  if (!network) throw new NovaError('UnknownNetwork', { id: uuid })
  // Upstream lets the build fail; here it is known before.
  if (network.external && !network.shared && !at.allows('network:attach_external_network'))
    throw new NovaError('ExternalNetworkAttachForbidden', { id: uuid })
  if (network.subnets.length === 0) throw new NovaError('NetworkWithoutSubnet', { id: uuid })
  return { networkId: uuid, ...(fixedIp === undefined ? {} : { fixedIp }), ...tag }
}

/** Names for the view, ids for the ports. Nothing asked is the project's default group. Errors: UnknownSecurityGroup. */
export async function securityGroups(
  { neutron, caller }: Ctx,
  asked: Asked['security_groups'],
): Promise<{ readonly names: readonly string[]; readonly ids: readonly string[] }> {
  const names = [...new Set((asked ?? []).map(({ name }) => name))]
  if (names.length === 0 || (names.length === 1 && names[0] === 'default')) return { names: ['default'], ids: [] }
  return { names, ids: await neutron.securityGroups(names, caller.projectId, caller.token) }
}
