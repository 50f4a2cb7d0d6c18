/** What must be there before an operation or an action is called, and how a call is told. */
import { newId } from '@kilonova/base/clock.ts'
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
import { keepReport } from '@kilonova/kilonova/db/hosts.ts'
import { insertMigration } from '@kilonova/kilonova/db/server-migrations.ts'
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
export type Recipe = (world: World) => Promise<Call> | Call

/** alice's, as `member` made it. */
export async function aServer({ it }: Pick<World, 'it'>): Promise<string> {
  const id = await server(it, { metadata: { colour: 'red' } })
  await settled(it, id)
  return id
}
export async function aConsoleToken(world: World): Promise<string> {
  const { it } = world
  const json = { remote_console: { protocol: 'serial', type: 'serial' } }
  const answer = await it.call('POST', `/servers/${await aServer(world)}/remote-consoles`, { json, version: '2.6' })
  return new URL(String(at(answer, 'remote_console', 'url'))).searchParams.get('token') ?? ''
}
export const ofServer =
  (json?: unknown, ...names: readonly string[]): Recipe =>
  async (world) => ({ names: [await aServer(world), ...names], ...(json === undefined ? {} : { json }) })

export const adminMakes = async ({ it }: World, path: string, json: unknown): Promise<unknown> => {
  const answer = await it.call('POST', path, { as: 'admin', json, version: '2.90' })
  if (answer.status >= 300) throw new Error(`${path}: ${JSON.stringify(answer.body)}`)
  return answer.body
}
const idIn = (body: unknown, key: string): string => String(at({ body, status: 0, headers: {} }, key, 'id'))

export const flavorBody = (number: number, isPublic = true) => ({
  flavor: { name: `f${number}`, id: `f${number}`, ram: 1, vcpus: 1, disk: 1, 'os-flavor-access:is_public': isPublic },
})
export async function aFlavor(world: World, isPublic = true): Promise<string> {
  const id = idIn(await adminMakes(world, '/flavors', flavorBody(world.number, isPublic)), 'flavor')
  await adminMakes(world, `/flavors/${id}/os-extra_specs`, { extra_specs: { 'hw:boot_menu': 'true' } })
  return id
}
export const ofFlavor =
  (json?: unknown, ...names: readonly string[]): Recipe =>
  async (world) => ({ names: [await aFlavor(world), ...names], ...(json === undefined ? {} : { json }) })

export const anAggregate = async (world: World): Promise<string> =>
  idIn(await adminMakes(world, '/os-aggregates', { aggregate: { name: `a${world.number}` } }), 'aggregate')

export const PUBLIC_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJFBaSYXhTkgyTWZyJ2ElNm5Y1o8Qd8h2mB7Z2hR9zS someone'
export async function aKeyPair({ it, as, number }: World): Promise<string> {
  const json = { keypair: { name: `own${number}`, public_key: PUBLIC_KEY } }
  await it.call('POST', '/os-keypairs', { as, json })
  return `own${number}`
}
export async function aGroup({ it }: World): Promise<string> {
  const json = { server_group: { name: 'g', policy: 'anti-affinity' } }
  return String(at(await it.call('POST', '/os-server-groups', { json, version: '2.64' }), 'server_group', 'id'))
}
export const backupPolicy = {
  backup_policy: { name: 'nightly', schedule: { every: 'day', at: '03:00' }, rotation: 7, servers: { all: true } },
}
export const aBackupPolicy = async ({ it }: World): Promise<string> =>
  String(at(await it.call('POST', '/kilonova/backup-policies', { json: backupPolicy }), 'backup_policy', 'id'))
/** A host that nobody lives on, by the id of its service or of its hypervisor. */
export async function aHost({ it, number }: World, of: 'services' | 'hypervisors'): Promise<string> {
  const host = `spare${number}`
  await keepReport(it.db, reportOf(host), 'nova', it.clock.now())
  const all = at(await it.call('GET', `/os-${of}`, { as: 'admin', version: '2.53' }), of)
  const mine = (all as { id: string; host?: string; hypervisor_hostname?: string }[]).find(
    (each) => each.host === host || each.hypervisor_hostname === `${host}.example`,
  )
  return mine?.id ?? ''
}
export const aService: Recipe = () => ({ json: { host: 'host1', binary: 'nova-compute' } })

export const metadata = { metadata: { colour: 'blue' } }

export const anId = '00000000-0000-4000-8000-000000000000'
export const volumeAttachment = { volumeAttachment: { volumeId: anId } }
export const ofStopped =
  (json?: unknown, ...names: readonly string[]): Recipe =>
  async (world) => ({ names: [await standing('stopped')(world), ...names], ...(json === undefined ? {} : { json }) })
export const newServer: Recipe = ({ it }) => ({
  json: { server: { name: 'new', flavorRef: '1', imageRef: [...it.images.keys()][0], networks: 'none' } },
})
export const aThing = (world: World, collection: string, more: object = {}): string => {
  const id = newId()
  world.it.kept.collections.get(collection)?.set(id, { id, name: `thing${world.number}`, ...more })
  return id
}
export const aPool = ({ it }: World): string => {
  const pool = { ...networkOf({ external: true, shared: false }), id: anId, name: 'pool' }
  it.networks.set(pool.id, pool)
  return pool.id
}
export const ofFloatingIp: Recipe = (world) => ({
  names: [
    aThing(world, 'floatingips', { floating_ip_address: '203.0.113.1', floating_network_id: 'n', port_id: null }),
  ],
})
export const groupBody = { security_group: { name: 'g', description: '' } }
export const ofGroup =
  (json?: unknown): Recipe =>
  (world) => ({ names: [aThing(world, 'security-groups')], json })
export const ofNetwork: Recipe = ({ it }) => ({ names: [[...it.networks.keys()][0] ?? ''] })
export const ofImage =
  (json?: unknown, ...names: readonly string[]): Recipe =>
  ({ it }) => {
    const id = newId()
    it.kept.images.set(id, { id, name: 'i', status: 'active', colour: 'red' })
    return { names: [id, ...names], json }
  }
/** With a port, and a group or an address to give it. */
export const connected = async (world: World, more: object = {}): Promise<string> => {
  const id = await aServer(world)
  const port = portOf({ deviceId: id, ...more })
  world.it.ports.set(port.id, port)
  return id
}
export const snapshotInfo = { snapshot_id: 's', type: 'qcow2', new_file: 'f' }

export async function liveMigration({ it }: World, serverId: string): Promise<void> {
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
export async function tagged(world: World): Promise<string> {
  const id = await aServer(world)
  await world.it.call('PUT', `/servers/${id}/tags/old`, { version: '2.26' })
  return id
}
export const standing =
  (state: string) =>
  async (world: World): Promise<string> => {
    const id = await aServer(world)
    await world.it.db.updateTable('servers').set({ vm_state: state }).where('id', '=', id).execute()
    return id
  }
export const withAgent = async (world: World): Promise<string> => {
  const id = await aServer(world)
  const { image } = (await findServer(world.it.db, id)) ?? {}
  const changed = JSON.stringify({ ...image, properties: { hw_qemu_guest_agent: 'yes' } })
  await world.it.db.updateTable('servers').set({ image: changed }).where('id', '=', id).execute()
  return id
}
export const onServer =
  (value: unknown, prepare: (world: World) => Promise<string> = aServer): Recipe =>
  async (world) => ({ names: [await prepare(world)], json: value })
