/** How each operation and action is called so that it succeeds for whoever may: a path, a body, and what must be there before. */
import { newId } from '@kilonova/base/clock.ts'
import { insertMigration } from '@kilonova/kilonova/db/server-migrations.ts'
import { keepReport } from '@kilonova/kilonova/db/hosts.ts'
import {
  at,
  networkOf,
  portOf,
  PROJECT,
  reportOf,
  server,
  settled,
  type Cloud,
} from '@kilonova/kilonova/api/testing/cloud.ts'
import { setAddresses } from '@kilonova/kilonova/db/server-columns.ts'
import { findServer } from '@kilonova/kilonova/db/servers.ts'

export interface World {
  readonly it: Cloud
  /** Who is about to call. */
  readonly as: string
  /** For names that must not be there twice. */
  readonly number: number
}
export interface Call {
  /** In place of each `{}`, in turn. */
  readonly names?: readonly string[]
  readonly json?: unknown
  /** Of whom: their project. */
  readonly search?: (project: string) => string
}
type Recipe = (world: World) => Promise<Call> | Call

/** alice's, as `member` made it. */
export async function aServer({ it }: Pick<World, 'it'>): Promise<string> {
  const id = await server(it, { metadata: { colour: 'red' } })
  await settled(it, id)
  return id
}
async function aConsoleToken(world: World): Promise<string> {
  const { it } = world
  const json = { remote_console: { protocol: 'serial', type: 'serial' } }
  const answer = await it.call('POST', `/servers/${await aServer(world)}/remote-consoles`, { json, version: '2.6' })
  return new URL(String(at(answer, 'remote_console', 'url'))).searchParams.get('token') ?? ''
}
const ofServer =
  (json?: unknown, ...names: readonly string[]): Recipe =>
  async (world) => ({ names: [await aServer(world), ...names], ...(json === undefined ? {} : { json }) })

const adminMakes = async ({ it }: World, path: string, json: unknown): Promise<unknown> => {
  const answer = await it.call('POST', path, { as: 'admin', json, version: '2.90' })
  if (answer.status >= 300) throw new Error(`${path}: ${JSON.stringify(answer.body)}`)
  return answer.body
}
const idIn = (body: unknown, key: string): string => String(at({ body, status: 0, headers: {} }, key, 'id'))

const flavorBody = (number: number, isPublic = true) => ({
  flavor: { name: `f${number}`, id: `f${number}`, ram: 1, vcpus: 1, disk: 1, 'os-flavor-access:is_public': isPublic },
})
async function aFlavor(world: World, isPublic = true): Promise<string> {
  const id = idIn(await adminMakes(world, '/flavors', flavorBody(world.number, isPublic)), 'flavor')
  await adminMakes(world, `/flavors/${id}/os-extra_specs`, { extra_specs: { 'hw:boot_menu': 'true' } })
  return id
}
const ofFlavor =
  (json?: unknown, ...names: readonly string[]): Recipe =>
  async (world) => ({ names: [await aFlavor(world), ...names], ...(json === undefined ? {} : { json }) })

const anAggregate = async (world: World): Promise<string> =>
  idIn(await adminMakes(world, '/os-aggregates', { aggregate: { name: `a${world.number}` } }), 'aggregate')

const PUBLIC_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJFBaSYXhTkgyTWZyJ2ElNm5Y1o8Qd8h2mB7Z2hR9zS someone'
async function aKeyPair({ it, as, number }: World): Promise<string> {
  const json = { keypair: { name: `own${number}`, public_key: PUBLIC_KEY } }
  await it.call('POST', '/os-keypairs', { as, json })
  return `own${number}`
}
async function aGroup({ it }: World): Promise<string> {
  const json = { server_group: { name: 'g', policy: 'anti-affinity' } }
  return String(at(await it.call('POST', '/os-server-groups', { json, version: '2.64' }), 'server_group', 'id'))
}
const backupPolicy = {
  backup_policy: { name: 'nightly', schedule: { every: 'day', at: '03:00' }, rotation: 7, servers: { all: true } },
}
const aBackupPolicy = async ({ it }: World): Promise<string> =>
  String(at(await it.call('POST', '/kilonova/backup-policies', { json: backupPolicy }), 'backup_policy', 'id'))
/** A host that nobody lives on, by the id of its service or of its hypervisor. */
async function aHost({ it, number }: World, of: 'services' | 'hypervisors'): Promise<string> {
  const host = `spare${number}`
  await keepReport(it.db, reportOf(host), 'nova', it.clock.now())
  const all = at(await it.call('GET', `/os-${of}`, { as: 'admin', version: '2.53' }), of)
  const mine = (all as { id: string; host?: string; hypervisor_hostname?: string }[]).find(
    (each) => each.host === host || each.hypervisor_hostname === `${host}.example`,
  )
  return mine?.id ?? ''
}
const aService: Recipe = () => ({ json: { host: 'host1', binary: 'nova-compute' } })

const metadata = { metadata: { colour: 'blue' } }

const anId = '00000000-0000-4000-8000-000000000000'
const volumeAttachment = { volumeAttachment: { volumeId: anId } }
const ofStopped =
  (json?: unknown, ...names: readonly string[]): Recipe =>
  async (world) => ({ names: [await standing('stopped')(world), ...names], ...(json === undefined ? {} : { json }) })
const newServer: Recipe = ({ it }) => ({
  json: { server: { name: 'new', flavorRef: '1', imageRef: [...it.images.keys()][0], networks: 'none' } },
})
const aThing = (world: World, collection: string, more: object = {}): string => {
  const id = newId()
  world.it.kept.collections.get(collection)?.set(id, { id, name: `thing${world.number}`, ...more })
  return id
}
const aPool = ({ it }: World): string => {
  const pool = { ...networkOf({ external: true, shared: false }), id: anId, name: 'pool' }
  it.networks.set(pool.id, pool)
  return pool.id
}
const ofFloatingIp: Recipe = (world) => ({
  names: [
    aThing(world, 'floatingips', { floating_ip_address: '203.0.113.1', floating_network_id: 'n', port_id: null }),
  ],
})
const groupBody = { security_group: { name: 'g', description: '' } }
const ofGroup =
  (json?: unknown): Recipe =>
  (world) => ({ names: [aThing(world, 'security-groups')], json })
const ofNetwork: Recipe = ({ it }) => ({ names: [[...it.networks.keys()][0] ?? ''] })
const ofImage =
  (json?: unknown, ...names: readonly string[]): Recipe =>
  ({ it }) => {
    const id = newId()
    it.kept.images.set(id, { id, name: 'i', status: 'active', colour: 'red' })
    return { names: [id, ...names], json }
  }
/** With a port, and a group or an address to give it. */
const connected = async (world: World, more: object = {}): Promise<string> => {
  const id = await aServer(world)
  const port = portOf({ deviceId: id, ...more })
  world.it.ports.set(port.id, port)
  return id
}
const snapshotInfo = { snapshot_id: 's', type: 'qcow2', new_file: 'f' }

/** An operation that names nothing and has no body needs none. */
export const OPERATION_RECIPES: Readonly<Record<string, Recipe>> = {
  'GET /images/{}': ofImage(),
  'DELETE /images/{}': ofImage(),
  'GET /images/{}/metadata': ofImage(),
  'POST /images/{}/metadata': ofImage({ metadata: { size: 'big' } }),
  'PUT /images/{}/metadata': ofImage({ metadata: { colour: 'blue' } }),
  'GET /images/{}/metadata/{}': ofImage(undefined, 'colour'),
  'PUT /images/{}/metadata/{}': ofImage({ meta: { colour: 'blue' } }, 'colour'),
  'DELETE /images/{}/metadata/{}': ofImage(undefined, 'colour'),
  'GET /os-networks/{}': ofNetwork,
  'GET /os-tenant-networks/{}': ofNetwork,
  'POST /os-floating-ips': (world) => ({ json: { pool: aPool(world) } }),
  'GET /os-floating-ips/{}': ofFloatingIp,
  'DELETE /os-floating-ips/{}': ofFloatingIp,
  'POST /os-security-groups': () => ({ json: groupBody }),
  'GET /os-security-groups/{}': ofGroup(),
  'PUT /os-security-groups/{}': ofGroup(groupBody),
  'DELETE /os-security-groups/{}': ofGroup(),
  'POST /os-security-group-rules': (world) => ({
    json: {
      security_group_rule: {
        parent_group_id: aThing(world, 'security-groups'),
        ip_protocol: 'tcp',
        from_port: 1,
        to_port: 2,
      },
    },
  }),
  'DELETE /os-security-group-rules/{}': (world) => ({ names: [aThing(world, 'security-group-rules')] }),
  'GET /os-hosts/{}': () => ({ names: ['host1'] }),
  'PUT /os-hosts/{}': () => ({ names: ['host1'], json: { status: 'enable' } }),
  'GET /os-hosts/{}/reboot': () => ({ names: ['host1'] }),
  'GET /os-hosts/{}/shutdown': () => ({ names: ['host1'] }),
  'GET /os-hosts/{}/startup': () => ({ names: ['host1'] }),
  'GET /os-baremetal-nodes/{}': () => ({ names: ['x'] }),
  'POST /os-baremetal-nodes': () => ({ json: {} }),
  'DELETE /os-baremetal-nodes/{}': () => ({ names: ['x'] }),
  'POST /os-baremetal-nodes/{}/action': () => ({ names: ['x'], json: { add_interface: {} } }),
  'GET /servers/{}/os-volume_attachments': ofServer(),
  'POST /servers/{}/os-volume_attachments': ofServer(volumeAttachment),
  'GET /servers/{}/os-volume_attachments/{}': ofServer(undefined, anId),
  'PUT /servers/{}/os-volume_attachments/{}': ofServer(volumeAttachment, anId),
  'DELETE /servers/{}/os-volume_attachments/{}': ofServer(undefined, anId),
  'GET /servers/{}/shares': ofServer(),
  'POST /servers/{}/shares': ofStopped({ share: { share_id: anId } }),
  'GET /servers/{}/shares/{}': ofServer(undefined, anId),
  'DELETE /servers/{}/shares/{}': ofStopped(undefined, anId),
  'GET /servers/{}/migrations': ofServer(),
  'GET /servers/{}/migrations/{}': async (world) => {
    const id = await aServer(world)
    await liveMigration(world, id)
    const all = await world.it.call('GET', `/servers/${id}/migrations`, { as: 'admin', version: '2.23' })
    return { names: [id, String(at(all, 'migrations', 0, 'id'))] }
  },
  'DELETE /servers/{}/migrations/{}': ofServer(undefined, '1'),
  'POST /servers/{}/migrations/{}/action': ofServer({ force_complete: null }, '1'),
  'GET /os-migrations': () => ({ search: (project) => `?project_id=${project}` }),
  'POST /os-assisted-volume-snapshots': () => ({ json: { snapshot: { volume_id: 'v', create_info: snapshotInfo } } }),
  'DELETE /os-assisted-volume-snapshots/{}': () => ({
    names: ['s'],
    search: () => `?delete_info=${encodeURIComponent('{"volume_id":"v"}')}`,
  }),
  'GET /os-volumes/{}': () => ({ names: [anId] }),
  'POST /os-volumes': () => ({ json: { volume: { size: 1 } } }),
  'DELETE /os-volumes/{}': () => ({ names: [anId] }),
  'GET /os-snapshots/{}': () => ({ names: [anId] }),
  'POST /os-snapshots': () => ({ json: { snapshot: { volume_id: anId } } }),
  'DELETE /os-snapshots/{}': () => ({ names: [anId] }),
  'POST /os-volumes_boot': newServer,
  'GET /os-volumes_boot/{}': ofServer(),
  'PUT /os-volumes_boot/{}': ofServer({ server: { name: 'other' } }),
  'DELETE /os-volumes_boot/{}': ofServer(),
  'POST /os-volumes_boot/{}/action': ofServer({ 'os-stop': null }),
  'POST /os-fixed-ips/{}/action': () => ({ json: { reserve: null } }),
  'POST /os-networks/{}/action': () => ({ json: { disassociate: null } }),
  'GET /extensions/{}': () => ({ names: ['os-keypairs'] }),
  'POST /flavors': ({ number }) => ({ json: flavorBody(number) }),
  'GET /flavors/{}': ofFlavor(),
  'PUT /flavors/{}': ofFlavor({ flavor: { description: 'other' } }),
  'DELETE /flavors/{}': ofFlavor(),
  'GET /flavors/{}/os-extra_specs': ofFlavor(),
  'POST /flavors/{}/os-extra_specs': ofFlavor({ extra_specs: { 'hw:mem_page_size': 'large' } }),
  'GET /flavors/{}/os-extra_specs/{}': ofFlavor(undefined, 'hw:boot_menu'),
  'PUT /flavors/{}/os-extra_specs/{}': ofFlavor({ 'hw:boot_menu': 'false' }, 'hw:boot_menu'),
  'DELETE /flavors/{}/os-extra_specs/{}': ofFlavor(undefined, 'hw:boot_menu'),
  'GET /flavors/{}/os-flavor-access': async (world) => ({ names: [await aFlavor(world, false)] }),
  'POST /os-aggregates': ({ number }) => ({ json: { aggregate: { name: `a${number}` } } }),
  'GET /os-aggregates/{}': async (world) => ({ names: [await anAggregate(world)] }),
  'PUT /os-aggregates/{}': async (world) => ({
    names: [await anAggregate(world)],
    json: { aggregate: { name: `b${world.number}` } },
  }),
  'POST /os-aggregates/{}/images': async (world) => ({
    names: [await anAggregate(world)],
    json: { cache: [{ id: [...world.it.images.keys()][0] }] },
  }),
  'GET /os-instance_usage_audit_log/{}': () => ({ names: ['2026-01-01%2000:00:00'] }),
  'DELETE /os-aggregates/{}': async (world) => ({ names: [await anAggregate(world)] }),
  'GET /os-hypervisors/{}': async (world) => ({ names: [await aHost(world, 'hypervisors')] }),
  'GET /os-hypervisors/{}/uptime': async (world) => ({ names: [await aHost(world, 'hypervisors')] }),
  'GET /os-hypervisors/{}/search': () => ({ names: ['host1'] }),
  'GET /os-hypervisors/{}/servers': () => ({ names: ['host1'] }),
  'POST /os-keypairs': ({ number }) => ({
    json: { keypair: { name: `k${number}`, type: 'ssh', public_key: PUBLIC_KEY } },
  }),
  'GET /os-keypairs/{}': async (world) => ({ names: [await aKeyPair(world)] }),
  'DELETE /os-keypairs/{}': async (world) => ({ names: [await aKeyPair(world)] }),
  'POST /os-server-external-events': async (world) => ({
    json: { events: [{ name: 'network-changed', server_uuid: await aServer(world) }] },
  }),
  'GET /os-quota-sets/{}': () => ({ names: [PROJECT] }),
  'PUT /os-quota-sets/{}': ({ number }) => ({ names: [PROJECT], json: { quota_set: { key_pairs: 1000 + number } } }),
  'DELETE /os-quota-sets/{}': () => ({ names: [PROJECT] }),
  'GET /os-quota-sets/{}/detail': () => ({ names: [PROJECT] }),
  'GET /os-quota-sets/{}/defaults': () => ({ names: [PROJECT] }),
  'GET /os-quota-class-sets/{}': () => ({ names: ['default'] }),
  'PUT /os-quota-class-sets/{}': ({ number }) => ({ names: ['gold'], json: { quota_class_set: { cores: number } } }),
  'GET /os-simple-tenant-usage/{}': () => ({ names: [PROJECT] }),
  'POST /kilonova/backup-policies': () => ({ json: backupPolicy }),
  'GET /kilonova/backup-policies/{}': async (world) => ({ names: [await aBackupPolicy(world)] }),
  'PUT /kilonova/backup-policies/{}': async (world) => ({
    names: [await aBackupPolicy(world)],
    json: { backup_policy: { rotation: 3 } },
  }),
  'DELETE /kilonova/backup-policies/{}': async (world) => ({ names: [await aBackupPolicy(world)] }),
  'POST /os-server-groups': () => ({ json: { server_group: { name: 'g', policy: 'affinity' } } }),
  'GET /os-server-groups/{}': async (world) => ({ names: [await aGroup(world)] }),
  'DELETE /os-server-groups/{}': async (world) => ({ names: [await aGroup(world)] }),
  'PUT /os-services/enable': aService,
  'PUT /os-services/disable': aService,
  'PUT /os-services/disable-log-reason': () => ({
    json: { host: 'host1', binary: 'nova-compute', disabled_reason: 'repair' },
  }),
  'PUT /os-services/force-down': () => ({ json: { host: 'host1', binary: 'nova-compute', forced_down: false } }),
  'PUT /os-services/{}': async (world) => ({ names: [await aHost(world, 'services')], json: { status: 'enabled' } }),
  'DELETE /os-services/{}': async (world) => ({ names: [await aHost(world, 'services')] }),
  'POST /servers': newServer,
  'GET /servers/{}': ofServer(),
  'PUT /servers/{}': ofServer({ server: { name: 'other' } }),
  'DELETE /servers/{}': ofServer(),
  'POST /servers/{}/remote-consoles': ofServer({ remote_console: { protocol: 'vnc', type: 'novnc' } }),
  'GET /os-console-auth-tokens/{}': async (world) => ({ names: [await aConsoleToken(world)] }),
  'GET /servers/{}/ips': ofServer(),
  'GET /servers/{}/topology': ofServer(),
  'GET /servers/{}/diagnostics': ofServer(),
  'GET /servers/{}/ips/{}': async (world) => {
    const id = await aServer(world)
    const address = { network: 'private', networkId: 'n', portId: 'p', address: '10.0.0.5', mac: 'fa:16:3e:00:00:01' }
    await setAddresses(world.it.db, id, [{ ...address, version: 4 }])
    return { names: [id, 'private'] }
  },
  'GET /servers/{}/metadata': ofServer(),
  'POST /servers/{}/metadata': ofServer(metadata),
  'PUT /servers/{}/metadata': ofServer(metadata),
  'GET /servers/{}/metadata/{}': ofServer(undefined, 'colour'),
  'PUT /servers/{}/metadata/{}': ofServer({ meta: { colour: 'green' } }, 'colour'),
  'DELETE /servers/{}/metadata/{}': ofServer(undefined, 'colour'),
  'GET /servers/{}/os-instance-actions': ofServer(),
  'GET /servers/{}/os-instance-actions/{}': async (world) => {
    const id = await aServer(world)
    const all = await world.it.call('GET', `/servers/${id}/os-instance-actions`)
    return { names: [id, String(at(all, 'instanceActions', 0, 'request_id'))] }
  },
  'GET /servers/{}/os-interface': ofServer(),
  'POST /servers/{}/os-interface': ofServer({}),
  'DELETE /servers/{}/os-interface/{}': async (world) => {
    const id = await aServer(world)
    const port = portOf({ deviceId: id })
    world.it.ports.set(port.id, port)
    return { names: [id, port.id] }
  },
  'GET /servers/{}/os-interface/{}': async (world) => {
    const id = await aServer(world)
    const port = portOf({ deviceId: id })
    world.it.ports.set(port.id, port)
    return { names: [id, port.id] }
  },
  'GET /servers/{}/os-server-password': ofServer(),
  'DELETE /servers/{}/os-server-password': ofServer(),
  'GET /servers/{}/os-security-groups': ofServer(),
  'GET /servers/{}/tags': ofServer(),
  'PUT /servers/{}/tags': ofServer({ tags: ['a'] }),
  'DELETE /servers/{}/tags': ofServer(),
  'GET /servers/{}/tags/{}': async (world) => ({ names: [await tagged(world), 'old'] }),
  'PUT /servers/{}/tags/{}': ofServer(undefined, 'new'),
  'DELETE /servers/{}/tags/{}': async (world) => ({ names: [await tagged(world), 'old'] }),
}

async function liveMigration({ it }: World, serverId: string): Promise<void> {
  await insertMigration(it.db, {
    id: newId(),
    serverId,
    projectId: PROJECT,
    userId: 'alice',
    type: 'live-migration',
    status: 'running',
    sourceHost: 'host1',
    sourceHypervisor: null,
    destHost: null,
    destHypervisor: null,
    destIp: null,
    oldFlavorNumber: null,
    newFlavorNumber: null,
    progress: null,
    createdAt: it.clock.now(),
    updatedAt: null,
  })
}
async function tagged(world: World): Promise<string> {
  const id = await aServer(world)
  await world.it.call('PUT', `/servers/${id}/tags/old`, { version: '2.26' })
  return id
}
const standing =
  (state: string) =>
  async (world: World): Promise<string> => {
    const id = await aServer(world)
    await world.it.db.updateTable('servers').set({ vm_state: state }).where('id', '=', id).execute()
    return id
  }
const withAgent = async (world: World): Promise<string> => {
  const id = await aServer(world)
  const { image } = (await findServer(world.it.db, id)) ?? {}
  const changed = JSON.stringify({ ...image, properties: { hw_qemu_guest_agent: 'yes' } })
  await world.it.db.updateTable('servers').set({ image: changed }).where('id', '=', id).execute()
  return id
}
const onServer =
  (value: unknown, prepare: (world: World) => Promise<string> = aServer): Recipe =>
  async (world) => ({ names: [await prepare(world)], json: value })

/** By path and key; `json` is what stands behind the key. */
export const ACTION_RECIPES: Readonly<Record<string, Readonly<Record<string, Recipe>>>> = {
  '/flavors/{}/action': {
    addTenantAccess: async (world) => ({ names: [await aFlavor(world, false)], json: { tenant: 'someone' } }),
    removeTenantAccess: async (world) => {
      const id = await aFlavor(world, false)
      await adminMakes(world, `/flavors/${id}/action`, { addTenantAccess: { tenant: 'someone' } })
      return { names: [id], json: { tenant: 'someone' } }
    },
  },
  '/os-aggregates/{}/action': {
    add_host: async (world) => {
      await aHost(world, 'services')
      return { names: [await anAggregate(world)], json: { host: `spare${world.number}` } }
    },
    remove_host: async (world) => {
      await aHost(world, 'services')
      const id = await anAggregate(world)
      await adminMakes(world, `/os-aggregates/${id}/action`, { add_host: { host: `spare${world.number}` } })
      return { names: [id], json: { host: `spare${world.number}` } }
    },
    set_metadata: async (world) => ({ names: [await anAggregate(world)], json: { metadata: { a: 'b' } } }),
  },
  '/servers/{}/action': {
    'os-start': onServer(null, standing('stopped')),
    'os-stop': onServer(null),
    reboot: onServer({ type: 'HARD' }),
    pause: onServer(null),
    unpause: onServer(null, standing('paused')),
    suspend: onServer(null),
    resume: onServer(null, standing('suspended')),
    rebuild: async (world) => ({
      ...(await onServer(null)(world)),
      json: { imageRef: [...world.it.images.keys()][0] },
    }),
    shelve: onServer(null),
    shelveOffload: onServer(null, standing('shelved')),
    unshelve: onServer(null, standing('shelved_offloaded')),
    rescue: onServer(null),
    unrescue: onServer(null, standing('rescued')),
    createImage: onServer({ name: 'copy' }),
    createBackup: onServer({ name: 'copy', backup_type: 'daily', rotation: 1 }),
    restore: onServer(null, standing('soft-delete')),
    forceDelete: onServer(null),
    lock: onServer({ locked_reason: 'why' }),
    unlock: onServer(null),
    'os-resetState': onServer({ state: 'error' }),
    trigger_crash_dump: onServer(null),
    changePassword: onServer({ adminPass: 'secret' }, withAgent),
    'kilonova:cancel': onServer(null, ({ it }) => server(it)),
    'os-getConsoleOutput': onServer({}),
    'os-getVNCConsole': onServer({ type: 'novnc' }),
    'os-getSPICEConsole': onServer({ type: 'spice-html5' }),
    'os-getSerialConsole': onServer({ type: 'serial' }),
    addSecurityGroup: async (world) => {
      const [id, group] = [await connected(world), aThing(world, 'security-groups', { project_id: PROJECT })]
      return { names: [id], json: { name: group } }
    },
    removeSecurityGroup: async (world) => {
      const group = aThing(world, 'security-groups', { project_id: PROJECT })
      return { names: [await connected(world, { securityGroups: [group] })], json: { name: group } }
    },
    addFixedIp: async (world) => {
      const networkId = newId()
      aThing(world, 'subnets', { network_id: networkId })
      return { names: [await connected(world, { networkId })], json: { networkId } }
    },
    removeFixedIp: async (world) => ({ names: [await connected(world)], json: { address: '10.0.0.5' } }),
    addFloatingIp: async (world) => {
      const address = `198.51.100.${world.number % 250}`
      aThing(world, 'floatingips', { floating_ip_address: address, floating_network_id: 'n', port_id: null })
      return { names: [await connected(world)], json: { address } }
    },
    removeFloatingIp: async (world) => {
      const address = `198.18.0.${world.number % 250}`
      const port = newId()
      aThing(world, 'floatingips', { floating_ip_address: address, floating_network_id: 'n', port_id: port })
      return { names: [await connected(world, { id: port })], json: { address } }
    },
  },
}
