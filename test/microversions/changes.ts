/** How a change between two microversions is seen: one way for each kind of thing that upstream changed. */
import { PROJECT, server as anotherServer, settled } from '@kilonova/kilonova/api/testing/cloud.ts'
import type { HttpAnswer } from '@kilonova/base/http/client.ts'
import { has, part, type Scene } from './scene.ts'

export interface Change {
  readonly what: string
  see(scene: Scene, version: string): Promise<unknown>
  /** At the version before. */
  readonly before: unknown
  readonly after: unknown
}
export interface Entry {
  readonly says: string
  readonly changes?: readonly Change[]
  /** `METHOD /path/*` or `action key`, of what is not served yet. */
  readonly later?: readonly string[]
  /** Upstream changed nothing that a client can tell the version by, or nothing of what exists here or will. */
  readonly none?: string
}

const minorOf = (version: string): number => Number(version.slice(2))
type Call = Parameters<Scene['call']>

/** The status of a call, made at both versions. */
export const status = (
  what: string,
  [before, after]: readonly [number, number],
  call: (scene: Scene) => readonly [Call[0], Call[1], unknown?, string?],
): Change => ({
  what,
  see: async (scene, version) => {
    const [method, path, json, as] = call(scene)
    return (await scene.call(method, path, version, json, as)).status
  },
  before,
  after,
})
/** Whether an answer has something at a path, which may name the version's own way there. */
export const field = (
  what: string,
  path: (scene: Scene) => string,
  keys: readonly (string | number)[],
  as = 'member',
  appears = true,
): Change => ({
  what: `${what} ${keys.join('.')}`,
  see: async (scene, version) => has(await scene.call('GET', path(scene), version, undefined, as), ...keys),
  before: !appears,
  after: appears,
})
export const ofServer = (key: string, as = 'member'): Change =>
  field('a server has', ({ server }) => `/servers/${server}`, ['server', key], as)
export const gone = (what: string, path: (scene: Scene) => string, keys: readonly (string | number)[], as = 'member') =>
  field(what, path, keys, as, false)

export async function rebuilt({ it, call, server, image }: Scene, version: string, more: object): Promise<HttpAnswer> {
  const answer = await call('POST', `/servers/${server}/action`, version, { rebuild: { imageRef: image, ...more } })
  await settled(it, server)
  return answer
}
export const rebuilding = (what: string, [before, after]: readonly [number, number], more: object): Change => ({
  what: `a rebuild with ${what}`,
  see: async (scene, version) => (await rebuilt(scene, version, more)).status,
  before,
  after,
})

/** The zone that the task pins the server to, or the status of a refusal. Earlier versions do not look at what they are given. */
export const unshelving = (
  what: string,
  [before, after]: readonly [unknown, unknown],
  where: object,
  as = 'member',
): Change => ({
  what: `unshelve into ${what}`,
  see: async ({ it, call, server }, version) => {
    await it.db.updateTable('servers').set({ vm_state: 'shelved_offloaded' }).where('id', '=', server).execute()
    const answer = await call('POST', `/servers/${server}/action`, version, { unshelve: where }, as)
    const tasks = it.db.selectFrom('tasks').select('body').where('action', '=', 'unshelve')
    const task = await tasks.where('finished_at', 'is', null).executeTakeFirst()
    await settled(it, server)
    return task ? (JSON.parse(task.body) as { pinnedZone: unknown }).pinnedZone : answer.status
  },
  before,
  after,
})

/** The body of a create, as a version takes it at least. */
export const newServer = ({ image }: Scene, version: string, more: object) => ({
  server: {
    name: 'new',
    flavorRef: '1',
    imageRef: image,
    ...(minorOf(version) >= 37 ? { networks: 'none' } : {}),
    ...more,
  },
})
export const creating = (
  what: string,
  [before, after]: readonly [unknown, unknown],
  more: (scene: Scene) => object,
  as = 'member',
): Change => ({
  what: `create with ${what}`,
  see: async (scene, version) =>
    (await scene.call('POST', '/servers', version, newServer(scene, version, more(scene)), as)).status,
  before,
  after,
})
export const changing = (what: string, more: object): Change =>
  status(`change ${what}`, [400, 200], ({ server }) => ['PUT', `/servers/${server}`, { server: more }])
export const found = (
  what: string,
  query: string,
  [before, after]: readonly [unknown, unknown],
  as = 'member',
): Change => ({
  what,
  see: async (scene, version) => {
    const answer = await scene.call('GET', `/servers?${query}`, version, undefined, as)
    return answer.status === 200 ? (part(answer, 'servers') as unknown[]).length > 0 : answer.status
  },
  before,
  after,
})
export const event = (name: string): Change =>
  status(`external event ${name}`, [400, 200], ({ server }) => [
    'POST',
    '/os-server-external-events',
    { events: [{ name, server_uuid: server, tag: 'x' }] },
    'service',
  ])
/** What is answered, or the reason that is shown afterwards. */
export const locking = (what: string, value: unknown, [before, after]: readonly [unknown, unknown]): Change => ({
  what: `lock with ${what}`,
  see: async (scene, version) => {
    const id = await anotherServer(scene.it)
    const { status } = await scene.call('POST', `/servers/${id}/action`, version, { lock: value })
    if (typeof value === 'string') return status
    return part(await scene.call('GET', `/servers/${id}`, '2.73'), 'server', 'locked_reason')
  },
  before,
  after,
})
export const detailOf = (kind: string) => () => `/${kind}/detail`
export const action = async ({ call, server }: Scene, version: string, as = 'member') => {
  const all = part(await call('GET', `/servers/${server}/os-instance-actions`, version), 'instanceActions', 0)
  const id = (all as { request_id: string }).request_id
  return call('GET', `/servers/${server}/os-instance-actions/${id}`, version, undefined, as)
}
export const hypervisors = (scene: Scene, version: string) =>
  scene.call('GET', '/os-hypervisors/detail', version, undefined, 'admin')
export const groupOf = ({ group }: Scene) => `/os-server-groups/${group}`
export const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJFBaSYXhTkgyTWZyJ2ElNm5Y1o8Qd8h2mB7Z2hR9zS someone'
export const keyPair = (
  what: string,
  wanted: readonly [number, number],
  more: (scene: Scene) => object,
  as = 'member',
) =>
  status(`key pair ${what}`, wanted, (scene) => [
    'POST',
    '/os-keypairs',
    { keypair: { name: scene.fresh(), public_key: KEY, ...more(scene) } },
    as,
  ])
export const VOLUME = '00000000-0000-4000-8000-000000000000'
/** Nobody has a volume to attach: what is well formed is 404. */
export const attaching = (what: string, more: object): Change =>
  status(`a volume with ${what}`, [400, 404], ({ server }) => [
    'POST',
    `/servers/${server}/os-volume_attachments`,
    { volumeAttachment: { volumeId: VOLUME, ...more } },
  ])
export const ofShelved = (what: string, call: (path: string) => readonly [Call[0], string, unknown?]): Change => ({
  what: `a volume ${what} while the server is shelved`,
  see: async (the, version) => {
    const as = (vmState: string) =>
      the.it.db.updateTable('servers').set({ vm_state: vmState }).where('id', '=', the.server).execute()
    await as('shelved')
    const [method, path, json] = call(`/servers/${the.server}/os-volume_attachments`)
    const answer = await the.call(method, path, version, json)
    await as('active')
    return answer.status
  },
  before: 409,
  after: 404,
})
export const ofMigration = (key: string) =>
  field('a migration has', () => '/os-migrations', ['migrations', 0, key], 'admin')
export const ofServersMigration = (key: string) =>
  field("a server's migration has", ({ server }) => `/servers/${server}/migrations`, ['migrations', 0, key], 'admin')
export const PROXIES = [
  '/images',
  '/images/detail',
  '/os-networks',
  '/os-tenant-networks',
  '/os-floating-ips',
  '/os-floating-ip-pools',
  '/os-security-groups',
  '/os-volumes',
  '/os-volumes/detail',
  '/os-snapshots',
  '/os-snapshots/detail',
]
export const LIMITS_OF_NETWORKS = [
  'maxTotalFloatingIps',
  'maxSecurityGroups',
  'maxSecurityGroupRules',
  'totalFloatingIpsUsed',
  'totalSecurityGroupsUsed',
]
export const ADDRESSES = ['fixed_ips', 'floating_ips', 'security_groups', 'security_group_rules']
export const FILES = ['injected_files', 'injected_file_content_bytes', 'injected_file_path_bytes']
export const QUOTAS = `/os-quota-sets/${PROJECT}`
export const QUOTA_CLASS = '/os-quota-class-sets/default'
/** What quotas no longer speak of. */
export const quotasWithout = (names: readonly string[]): readonly Change[] =>
  names.flatMap((name) => [
    ...['', '/detail', '/defaults'].map((path) => gone('quotas have', () => `${QUOTAS}${path}`, ['quota_set', name])),
    status(`quotas set with ${name}`, [200, 400], () => ['PUT', QUOTAS, { quota_set: { [name]: 5 } }, 'admin']),
  ])
export const taggedDevice = ({ image }: Scene) => ({
  block_device_mapping_v2: [
    { boot_index: 0, uuid: image, source_type: 'image', destination_type: 'local', tag: 'root' },
  ],
})
export const taggedNetwork = ({ network }: Scene) => ({ networks: [{ uuid: network, tag: 'nic' }] })

export const askConsole = ({ call, server }: Scene, version: string, protocol: string, type: string) =>
  call('POST', `/servers/${server}/remote-consoles`, version, { remote_console: { protocol, type } })
export const remoteConsole = (protocol: string, type: string, [before, after]: readonly [number, number]): Change => ({
  what: `remote console ${protocol}`,
  see: async (scene, version) => (await askConsole(scene, version, protocol, type)).status,
  before,
  after,
})
export const oldConsole = (name: string, type: string, wanted: readonly [number, number]): Change =>
  status(`os-get${name}Console`, wanted, ({ server }) => [
    'POST',
    `/servers/${server}/action`,
    { [`os-get${name}Console`]: { type } },
  ])
export const consolePlace = async (scene: Scene, version: string) => {
  const url = new URL(String(part(await askConsole(scene, '2.6', 'serial', 'serial'), 'remote_console', 'url')))
  return scene.call('GET', `/os-console-auth-tokens/${url.searchParams.get('token')}`, version, undefined, 'admin')
}
