/**
 * What each microversion changed, one entry each, from upstream's history. A change of something that is served is proven: what is seen at the
 * version before, and what at the version. What is not served yet is named; the test fails once it is served and nothing proves its change.
 */
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
const status = (
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
const field = (
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
const ofServer = (key: string, as = 'member'): Change =>
  field('a server has', ({ server }) => `/servers/${server}`, ['server', key], as)
const gone = (what: string, path: (scene: Scene) => string, keys: readonly (string | number)[], as = 'member') =>
  field(what, path, keys, as, false)

async function rebuilt({ it, call, server, image }: Scene, version: string, more: object): Promise<HttpAnswer> {
  const answer = await call('POST', `/servers/${server}/action`, version, { rebuild: { imageRef: image, ...more } })
  await settled(it, server)
  return answer
}
const rebuilding = (what: string, [before, after]: readonly [number, number], more: object): Change => ({
  what: `a rebuild with ${what}`,
  see: async (scene, version) => (await rebuilt(scene, version, more)).status,
  before,
  after,
})

/** The zone that the task pins the server to, or the status of a refusal. Earlier versions do not look at what they are given. */
const unshelving = (
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
const newServer = ({ image }: Scene, version: string, more: object) => ({
  server: {
    name: 'new',
    flavorRef: '1',
    imageRef: image,
    ...(minorOf(version) >= 37 ? { networks: 'none' } : {}),
    ...more,
  },
})
const creating = (
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
const changing = (what: string, more: object): Change =>
  status(`change ${what}`, [400, 200], ({ server }) => ['PUT', `/servers/${server}`, { server: more }])
const found = (what: string, query: string, [before, after]: readonly [unknown, unknown], as = 'member'): Change => ({
  what,
  see: async (scene, version) => {
    const answer = await scene.call('GET', `/servers?${query}`, version, undefined, as)
    return answer.status === 200 ? (part(answer, 'servers') as unknown[]).length > 0 : answer.status
  },
  before,
  after,
})
const event = (name: string): Change =>
  status(`external event ${name}`, [400, 200], ({ server }) => [
    'POST',
    '/os-server-external-events',
    { events: [{ name, server_uuid: server, tag: 'x' }] },
    'service',
  ])
/** What is answered, or the reason that is shown afterwards. */
const locking = (what: string, value: unknown, [before, after]: readonly [unknown, unknown]): Change => ({
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
const detailOf = (kind: string) => () => `/${kind}/detail`
const action = async ({ call, server }: Scene, version: string, as = 'member') => {
  const all = part(await call('GET', `/servers/${server}/os-instance-actions`, version), 'instanceActions', 0)
  const id = (all as { request_id: string }).request_id
  return call('GET', `/servers/${server}/os-instance-actions/${id}`, version, undefined, as)
}
const hypervisors = (scene: Scene, version: string) =>
  scene.call('GET', '/os-hypervisors/detail', version, undefined, 'admin')
const groupOf = ({ group }: Scene) => `/os-server-groups/${group}`
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJFBaSYXhTkgyTWZyJ2ElNm5Y1o8Qd8h2mB7Z2hR9zS someone'
const keyPair = (what: string, wanted: readonly [number, number], more: (scene: Scene) => object, as = 'member') =>
  status(`key pair ${what}`, wanted, (scene) => [
    'POST',
    '/os-keypairs',
    { keypair: { name: scene.fresh(), public_key: KEY, ...more(scene) } },
    as,
  ])
const VOLUME = '00000000-0000-4000-8000-000000000000'
/** Nobody has a volume to attach: what is well formed is 404. */
const attaching = (what: string, more: object): Change =>
  status(`a volume with ${what}`, [400, 404], ({ server }) => [
    'POST',
    `/servers/${server}/os-volume_attachments`,
    { volumeAttachment: { volumeId: VOLUME, ...more } },
  ])
const ofShelved = (what: string, call: (path: string) => readonly [Call[0], string, unknown?]): Change => ({
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
const ofMigration = (key: string) => field('a migration has', () => '/os-migrations', ['migrations', 0, key], 'admin')
const ofServersMigration = (key: string) =>
  field("a server's migration has", ({ server }) => `/servers/${server}/migrations`, ['migrations', 0, key], 'admin')
const PROXIES = [
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
const LIMITS_OF_NETWORKS = [
  'maxTotalFloatingIps',
  'maxSecurityGroups',
  'maxSecurityGroupRules',
  'totalFloatingIpsUsed',
  'totalSecurityGroupsUsed',
]
const ADDRESSES = ['fixed_ips', 'floating_ips', 'security_groups', 'security_group_rules']
const FILES = ['injected_files', 'injected_file_content_bytes', 'injected_file_path_bytes']
const QUOTAS = `/os-quota-sets/${PROJECT}`
const QUOTA_CLASS = '/os-quota-class-sets/default'
/** What quotas no longer speak of. */
const quotasWithout = (names: readonly string[]): readonly Change[] =>
  names.flatMap((name) => [
    ...['', '/detail', '/defaults'].map((path) => gone('quotas have', () => `${QUOTAS}${path}`, ['quota_set', name])),
    status(`quotas set with ${name}`, [200, 400], () => ['PUT', QUOTAS, { quota_set: { [name]: 5 } }, 'admin']),
  ])
const taggedDevice = ({ image }: Scene) => ({
  block_device_mapping_v2: [
    { boot_index: 0, uuid: image, source_type: 'image', destination_type: 'local', tag: 'root' },
  ],
})
const taggedNetwork = ({ network }: Scene) => ({ networks: [{ uuid: network, tag: 'nic' }] })

const askConsole = ({ call, server }: Scene, version: string, protocol: string, type: string) =>
  call('POST', `/servers/${server}/remote-consoles`, version, { remote_console: { protocol, type } })
const remoteConsole = (protocol: string, type: string, [before, after]: readonly [number, number]): Change => ({
  what: `remote console ${protocol}`,
  see: async (scene, version) => (await askConsole(scene, version, protocol, type)).status,
  before,
  after,
})
const oldConsole = (name: string, type: string, wanted: readonly [number, number]): Change =>
  status(`os-get${name}Console`, wanted, ({ server }) => [
    'POST',
    `/servers/${server}/action`,
    { [`os-get${name}Console`]: { type } },
  ])
const consolePlace = async (scene: Scene, version: string) => {
  const url = new URL(String(part(await askConsole(scene, '2.6', 'serial', 'serial'), 'remote_console', 'url')))
  return scene.call('GET', `/os-console-auth-tokens/${url.searchParams.get('token')}`, version, undefined, 'admin')
}

/** What ended upstream before the newest version, and is not served at the versions that had it. */
export const ENDED: readonly string[] = []

export const TABLE: Readonly<Record<string, Entry>> = {
  '2.1': {
    says: 'the first one: bodies are checked strictly',
    changes: [status('any call', [406, 200], () => ['GET', '/flavors'])],
  },
  '2.2': {
    says: 'key pairs have a type; their statuses changed',
    changes: [
      keyPair('made', [200, 201], () => ({})),
      keyPair('of type ssh', [400, 201], () => ({ type: 'ssh' })),
      {
        what: 'key pair deleted',
        see: async ({ call, fresh }, version) => {
          const name = fresh()
          await call('POST', '/os-keypairs', '2.2', { keypair: { name, public_key: KEY } })
          return (await call('DELETE', `/os-keypairs/${name}`, version)).status
        },
        before: 202,
        after: 204,
      },
      {
        what: 'key pair listed with its type',
        see: async ({ call }, version) =>
          has(await call('GET', '/os-keypairs', version), 'keypairs', 0, 'keypair', 'type'),
        before: false,
        after: true,
      },
    ],
  },
  '2.3': {
    says: 'administrators see more of a server; volumes say whether they go with it',
    changes: [
      'reservation_id',
      'launch_index',
      'kernel_id',
      'ramdisk_id',
      'hostname',
      'root_device_name',
      'user_data',
    ].map((key) => ofServer(`OS-EXT-SRV-ATTR:${key}`, 'admin')),
  },
  '2.4': { says: 'fixed IPs say whether they are reserved', none: 'the resource is gone from upstream' },
  '2.5': { says: 'everybody may filter by ip6', changes: [found('ip6', 'ip6=fd00::', [true, false])] },
  '2.6': {
    says: 'remote-consoles in place of four actions',
    changes: [
      remoteConsole('vnc', 'novnc', [404, 200]),
      remoteConsole('serial', 'serial', [404, 200]),
      oldConsole('VNC', 'novnc', [200, 404]),
      oldConsole('Serial', 'serial', [200, 404]),
      oldConsole('SPICE', 'spice-html5', [400, 404]),
    ],
  },
  '2.7': {
    says: 'no access is given to a flavor that is public',
    changes: [
      status('access to a public flavor', [200, 409], ({ fresh }) => [
        'POST',
        '/flavors/1/action',
        { addTenantAccess: { tenant: fresh() } },
        'admin',
      ]),
    ],
  },
  '2.8': {
    says: 'mks consoles',
    changes: [
      {
        what: 'why there is none',
        see: async (scene, version) => {
          const { body } = await askConsole(scene, version, 'mks', 'webmks')
          return /Unavailable console type webmks/.test(JSON.stringify(body))
        },
        before: false,
        after: true,
      },
    ],
  },
  '2.9': { says: 'a server says whether it is locked', changes: [ofServer('locked')] },
  '2.10': {
    says: "administrators handle other users' key pairs",
    changes: [
      keyPair("another user's", [400, 201], () => ({ user_id: 'alice' }), 'admin'),
      {
        what: "another user's listed",
        see: async ({ call, fresh }, version) => {
          await call('POST', '/os-keypairs', '2.2', { keypair: { name: fresh(), public_key: KEY } })
          const answer = await call('GET', '/os-keypairs?user_id=alice', version, undefined, 'admin')
          const names = (part(answer, 'keypairs') as { keypair: { public_key: string } }[]).length
          const own = (part(await call('GET', '/os-keypairs', version, undefined, 'admin'), 'keypairs') as unknown[])
            .length
          return names > own
        },
        before: false,
        after: true,
      },
    ],
  },
  '2.11': {
    says: 'services can be forced down',
    changes: [
      {
        what: 'a service says it',
        see: async ({ call }, version) =>
          has(await call('GET', '/os-services', version, undefined, 'admin'), 'services', 0, 'forced_down'),
        before: false,
        after: true,
      },
      status('force-down', [404, 200], () => [
        'PUT',
        '/os-services/force-down',
        { host: 'host1', binary: 'nova-compute', forced_down: false },
        'admin',
      ]),
    ],
  },
  '2.12': { says: 'virtual interfaces name their network', none: 'the resource is gone from upstream' },
  '2.13': {
    says: 'server groups name project and user',
    changes: ['project_id', 'user_id'].map((key) => field('a group has', groupOf, ['server_group', key])),
  },
  '2.14': { says: 'evacuate without onSharedStorage', later: ['action evacuate'] },
  '2.15': {
    says: 'soft policies of server groups',
    changes: ['soft-affinity', 'soft-anti-affinity'].map((policy) =>
      status(`a group of ${policy}`, [400, 200], () => [
        'POST',
        '/os-server-groups',
        { server_group: { name: 'g', policies: [policy] } },
      ]),
    ),
  },
  '2.16': { says: 'a server says how its host is', changes: [ofServer('host_status', 'admin')] },
  '2.17': {
    says: 'crash dumps',
    changes: [
      status('trigger_crash_dump', [404, 202], ({ server }) => [
        'POST',
        `/servers/${server}/action`,
        { trigger_crash_dump: null },
      ]),
    ],
  },
  '2.18': { says: 'paths need no project', none: 'upstream serves both at every version, and so do we' },
  '2.19': {
    says: 'servers have a description',
    changes: [
      ofServer('description'),
      creating('a description', [400, 202], () => ({ description: 'text' })),
      changing('the description', { description: 'text' }),
    ],
  },
  '2.20': {
    says: 'volumes of shelved servers',
    changes: [
      ofShelved('attached', (path) => ['POST', path, { volumeAttachment: { volumeId: VOLUME } }]),
      ofShelved('detached', (path) => ['DELETE', `${path}/${VOLUME}`]),
    ],
  },
  '2.21': {
    says: 'actions of deleted servers can be read',
    changes: [
      status('actions of a deleted one', [404, 200], ({ deleted }) => [
        'GET',
        `/servers/${deleted}/os-instance-actions`,
      ]),
    ],
  },
  '2.22': {
    says: 'a live migration can be forced to complete',
    changes: [
      status('one of a server that does not migrate', [404, 409], ({ server }) => [
        'POST',
        `/servers/${server}/migrations/1/action`,
        { force_complete: null },
        'admin',
      ]),
    ],
  },
  '2.23': {
    says: 'migrations of a server; migrations say of which type they are',
    changes: [
      status('those of a server', [404, 200], ({ server }) => [
        'GET',
        `/servers/${server}/migrations`,
        undefined,
        'admin',
      ]),
      status('one', [404, 200], ({ server }) => ['GET', `/servers/${server}/migrations/1`, undefined, 'admin']),
      ...['migration_type', 'links'].map(ofMigration),
    ],
  },
  '2.24': {
    says: 'a live migration can be aborted',
    changes: [
      status('one of a server that does not migrate', [404, 409], ({ server }) => [
        'DELETE',
        `/servers/${server}/migrations/1`,
        undefined,
        'admin',
      ]),
    ],
  },
  '2.25': { says: 'live migration finds out about shared storage itself', later: ['action os-migrateLive'] },
  '2.26': {
    says: 'tags of servers',
    changes: [
      ofServer('tags'),
      status('tags read', [404, 200], ({ server }) => ['GET', `/servers/${server}/tags`]),
      status('one read', [404, 204], ({ server }) => ['GET', `/servers/${server}/tags/red`]),
      status('one set', [404, 204], ({ server }) => ['PUT', `/servers/${server}/tags/red`]),
      status('all set', [404, 200], ({ server }) => ['PUT', `/servers/${server}/tags`, { tags: ['red'] }]),
      found('tags', 'tags=blue', [true, false]),
      found('tags-any', 'tags-any=blue', [true, false]),
      found('not-tags', 'not-tags=red&name=one', [true, false]),
      found('not-tags-any', 'not-tags-any=red&name=one', [true, false]),
    ],
  },
  '2.27': {
    says: "OpenStack's common header asks for a version",
    none: 'upstream reads both headers whatever they say',
  },
  '2.28': {
    says: 'cpu_info of hypervisors is an object',
    changes: [
      {
        what: 'cpu_info',
        see: async (scene, version) => typeof part(await hypervisors(scene, version), 'hypervisors', 0, 'cpu_info'),
        before: 'string',
        after: 'object',
      },
    ],
  },
  '2.29': { says: 'the scheduler checks where evacuated servers go', later: ['action evacuate'] },
  '2.30': { says: 'the scheduler checks where servers migrate live', later: ['action os-migrateLive'] },
  '2.31': {
    says: 'tokens of all kinds of consoles',
    changes: [
      {
        what: 'the place of one',
        see: async (scene, version) => (await consolePlace(scene, version)).status,
        before: 401,
        after: 200,
      },
    ],
  },
  '2.32': {
    says: 'devices of new servers are tagged',
    changes: [
      creating('a tagged network', [400, 202], taggedNetwork),
      creating('a tagged disk', [400, 202], taggedDevice),
    ],
  },
  '2.33': {
    says: 'hypervisors in pages; tags of disks lost by mistake',
    changes: [
      status('an unknown marker', [200, 400], () => ['GET', '/os-hypervisors?marker=99', undefined, 'admin']),
      creating('a tagged disk', [202, 400], taggedDevice),
    ],
  },
  '2.34': { says: 'live migration is checked later', later: ['action os-migrateLive'] },
  '2.35': {
    says: 'key pairs in pages',
    changes: [status('an unknown marker', [200, 400], () => ['GET', '/os-keypairs?marker=none'])],
  },
  '2.36': {
    says: 'the proxies of other services are gone, and their limits',
    changes: [
      ...LIMITS_OF_NETWORKS.map((key) => gone('limits have', () => '/limits', ['limits', 'absolute', key])),
      ...quotasWithout(ADDRESSES),
      ...PROXIES.map((path) => status(path, [200, 404], () => ['GET', path])),
    ],
  },
  '2.37': {
    says: 'networks of new servers must be said, or auto, or none; their tags lost by mistake',
    changes: [
      {
        what: 'create without networks',
        see: async (scene, version) =>
          (await scene.call('POST', '/servers', version, newServer(scene, '2.1', {}))).status,
        before: 202,
        after: 400,
      },
      creating('none', [400, 202], () => ({ networks: 'none' })),
      creating('auto', [400, 202], () => ({ networks: 'auto' })),
      creating('a tagged network', [202, 400], taggedNetwork),
    ],
  },
  '2.38': {
    says: 'a status that cannot be is refused',
    changes: [found('bad status', 'status=nonsense', [false, 400])],
  },
  '2.39': {
    says: "images' metadata is no longer proxied",
    changes: [
      gone('limits have', () => '/limits', ['limits', 'absolute', 'maxImageMeta']),
      status('metadata of an image', [200, 404], ({ it }) => {
        it.kept.images.set('an-image', { id: 'an-image', name: 'i', status: 'active' })
        return ['GET', '/images/an-image/metadata']
      }),
    ],
  },
  '2.40': {
    says: 'usage in pages',
    changes: [
      status('an unknown marker', [200, 400], () => ['GET', '/os-simple-tenant-usage?marker=none', undefined, 'admin']),
    ],
  },
  '2.41': {
    says: 'aggregates have a uuid',
    changes: [
      field('an aggregate has', ({ aggregate }) => `/os-aggregates/${aggregate}`, ['aggregate', 'uuid'], 'admin'),
    ],
  },
  '2.42': {
    says: 'tags of devices are back',
    changes: [
      creating('a tagged network', [400, 202], taggedNetwork),
      creating('a tagged disk', [400, 202], taggedDevice),
    ],
  },
  '2.43': {
    says: 'os-hosts is gone',
    changes: [
      ...['/os-hosts', '/os-hosts/host1'].map((path) =>
        status(path, [200, 404], () => ['GET', path, undefined, 'admin']),
      ),
      status('one switched', [501, 404], () => ['PUT', '/os-hosts/host1', { status: 'enable' }, 'admin']),
    ],
  },
  '2.44': {
    says: 'actions on addresses are gone',
    changes: [
      ['addFixedIp', { networkId: 'none' }, 404, 'Network could not be found for instance'],
      ['removeFixedIp', { address: '10.9.9.9' }, 400, "doesn't have fixed IP"],
      ['addFloatingIp', { address: '10.9.9.9' }, 404, 'floating IP not found'],
      ['removeFloatingIp', { address: '10.9.9.9' }, 404, 'floating IP not found'],
    ].map(([key, value, code, words]) => ({
      what: `${String(key)} gets as far as to look for it`,
      see: async ({ call, server }, version) => {
        const { status: seen, body } = await call('POST', `/servers/${server}/action`, version, {
          [String(key)]: value,
        })
        return [seen, JSON.stringify(body).includes(String(words))]
      },
      before: [code, true],
      after: [404, false],
    })),
  },
  '2.45': {
    says: 'snapshots answer with the image in the body',
    changes: [
      { createImage: { name: 'copy' } },
      { createBackup: { name: 'copy', backup_type: 'daily', rotation: 1 } },
    ].map((json) => ({
      what: `${Object.keys(json)[0]} answers`,
      see: async ({ it, call, server }: Scene, version: string) => {
        const answer = await call('POST', `/servers/${server}/action`, version, json)
        await settled(it, server)
        return [answer.status, has(answer, 'image_id'), 'location' in answer.headers]
      },
      before: [202, false, true],
      after: [202, true, false],
    })),
  },
  '2.46': { says: 'X-OpenStack-Request-ID', none: 'upstream answers it at every version, and so do we' },
  '2.47': {
    says: "a server's flavor is shown with it",
    changes: [
      field('a server has', ({ server }) => `/servers/${server}`, ['server', 'flavor', 'vcpus']),
      field('a server has', ({ server }) => `/servers/${server}`, ['server', 'flavor', 'extra_specs']),
      gone('a server has', ({ server }) => `/servers/${server}`, ['server', 'flavor', 'links']),
      gone('a server has', ({ server }) => `/servers/${server}`, ['server', 'flavor', 'id']),
    ],
  },
  '2.48': {
    says: 'diagnostics are alike for all hypervisors',
    changes: [
      field('diagnostics have', ({ server }) => `/servers/${server}/diagnostics`, ['cpu_details'], 'admin'),
      gone('diagnostics have', ({ server }) => `/servers/${server}/diagnostics`, ['cpu0_time'], 'admin'),
    ],
  },
  '2.49': {
    says: 'attached devices are tagged',
    changes: [
      attaching('a tag', { tag: 'data' }),
      status('an interface with a tag', [400, 200], ({ server }) => [
        'POST',
        `/servers/${server}/os-interface`,
        { interfaceAttachment: { tag: 'data' } },
      ]),
    ],
  },
  '2.50': {
    says: 'quota classes have server groups, and no addresses',
    changes: [
      ...['server_groups', 'server_group_members'].map((key) =>
        field('a class has', () => QUOTA_CLASS, ['quota_class_set', key], 'admin'),
      ),
      ...ADDRESSES.map((key) => gone('a class has', () => QUOTA_CLASS, ['quota_class_set', key], 'admin')),
      status('a class given addresses', [200, 400], () => [
        'PUT',
        QUOTA_CLASS,
        { quota_class_set: { floating_ips: -1 } },
        'admin',
      ]),
    ],
  },
  '2.51': {
    says: 'volumes may have grown; everybody sees the events of actions',
    changes: [
      event('volume-extended'),
      {
        what: 'events',
        see: async (scene, version) => has(await action(scene, version), 'instanceAction', 'events'),
        before: false,
        after: true,
      },
    ],
  },
  '2.52': { says: 'servers are made with tags', changes: [creating('tags', [400, 202], () => ({ tags: ['red'] }))] },
  '2.53': {
    says: 'services and hypervisors are known by uuid',
    changes: [
      {
        what: "a hypervisor's id",
        see: async (scene, version) => typeof part(await hypervisors(scene, version), 'hypervisors', 0, 'id'),
        before: 'number',
        after: 'string',
      },
      {
        what: "a service's id",
        see: async ({ call }, version) =>
          typeof part(await call('GET', '/os-services', version, undefined, 'admin'), 'services', 0, 'id'),
        before: 'number',
        after: 'string',
      },
      status('one changed', [404, 200], ({ service }) => [
        'PUT',
        `/os-services/${service}`,
        { status: 'enabled' },
        'admin',
      ]),
      status('enable', [200, 404], () => [
        'PUT',
        '/os-services/enable',
        { host: 'host1', binary: 'nova-compute' },
        'admin',
      ]),
      status('search', [200, 404], () => ['GET', '/os-hypervisors/host1/search', undefined, 'admin']),
      status('servers', [200, 404], () => ['GET', '/os-hypervisors/host1/servers', undefined, 'admin']),
      {
        what: 'with_servers',
        see: async ({ call }, version) =>
          has(
            await call('GET', '/os-hypervisors?with_servers=1', version, undefined, 'admin'),
            'hypervisors',
            0,
            'servers',
          ),
        before: false,
        after: true,
      },
      status('an unknown pattern', [200, 404], () => [
        'GET',
        '/os-hypervisors?hypervisor_hostname_pattern=none',
        undefined,
        'admin',
      ]),
    ],
  },
  '2.54': { says: 'a rebuild may change the key', changes: [rebuilding('no key', [400, 202], { key_name: null })] },
  '2.55': {
    says: 'flavors have a description',
    changes: [
      field('a flavor has', () => '/flavors/1', ['flavor', 'description']),
      field('a listed flavor has', detailOf('flavors'), ['flavors', 0, 'description']),
      status('one changed', [404, 200], () => ['PUT', '/flavors/1', { flavor: { description: 'text' } }, 'admin']),
      status('one made', [400, 200], ({ fresh }) => [
        'POST',
        '/flavors',
        { flavor: { name: fresh(), ram: 1, vcpus: 1, disk: 1, description: 'text' } },
        'admin',
      ]),
    ],
  },
  '2.56': { says: 'a cold migration may name the host', later: ['action migrate'] },
  '2.57': {
    says: 'files are no longer injected; a rebuild may change the user data',
    changes: [
      creating('files', [202, 400], () => ({ personality: [{ path: '/f', contents: 'YQ==' }] })),
      gone('limits have', () => '/limits', ['limits', 'absolute', 'maxPersonality']),
      gone('limits have', () => '/limits', ['limits', 'absolute', 'maxPersonalitySize']),
      ...quotasWithout(FILES),
      ...FILES.map((key) => gone('a class has', () => QUOTA_CLASS, ['quota_class_set', key], 'admin')),
      rebuilding('user data', [400, 202], { user_data: 'YQ==' }),
      rebuilding('files', [202, 400], { personality: [{ path: '/f', contents: 'YQ==' }] }),
    ],
  },
  '2.58': {
    says: 'actions in pages and since a time',
    changes: [
      field('an action has', ({ server }) => `/servers/${server}/os-instance-actions`, [
        'instanceActions',
        0,
        'updated_at',
      ]),
      status('an unknown marker', [200, 400], ({ server }) => [
        'GET',
        `/servers/${server}/os-instance-actions?marker=none`,
      ]),
      {
        what: 'changes-since',
        see: async ({ call, server }, version) => {
          const path = `/servers/${server}/os-instance-actions?changes-since=2100-01-01T00:00:00Z`
          return (part(await call('GET', path, version), 'instanceActions') as unknown[]).length > 0
        },
        before: true,
        after: false,
      },
    ],
  },
  '2.59': {
    says: 'migrations in pages, with a uuid',
    changes: [
      ofMigration('uuid'),
      ofServersMigration('uuid'),
      status('an unknown marker', [200, 400], () => ['GET', '/os-migrations?marker=none', undefined, 'admin']),
      status('an unknown filter', [200, 400], () => ['GET', '/os-migrations?unknown=1', undefined, 'admin']),
    ],
  },
  '2.60': { says: 'volumes of several servers', none: 'there are no volumes here' },
  '2.61': {
    says: 'flavors are shown with extra specs',
    changes: [field('a flavor has', () => '/flavors/1', ['flavor', 'extra_specs'])],
  },
  '2.62': {
    says: 'events name the host',
    changes: [
      {
        what: 'hostId',
        see: async (scene, version) => has(await action(scene, version), 'instanceAction', 'events', 0, 'hostId'),
        before: false,
        after: true,
      },
      {
        what: 'host, for administrators',
        see: async (scene, version) =>
          has(await action(scene, version, 'admin'), 'instanceAction', 'events', 0, 'host'),
        before: false,
        after: true,
      },
    ],
  },
  '2.63': {
    says: 'certificates that images must be signed with',
    changes: [
      ofServer('trusted_image_certificates'),
      creating('no certificates', [400, 202], () => ({ trusted_image_certificates: null })),
      rebuilding('no certificates', [400, 202], { trusted_image_certificates: null }),
    ],
  },
  '2.64': {
    says: 'server groups have one policy, and rules',
    changes: [
      ...['policy', 'rules'].map((key) => field('a group has', groupOf, ['server_group', key])),
      ...['policies', 'metadata'].map((key) => gone('a group has', groupOf, ['server_group', key])),
      status('one made with rules', [400, 200], () => [
        'POST',
        '/os-server-groups',
        { server_group: { name: 'g', policy: 'anti-affinity', rules: { max_server_per_host: 2 } } },
      ]),
      status('one made as before', [200, 400], () => [
        'POST',
        '/os-server-groups',
        { server_group: { name: 'g', policies: ['affinity'] } },
      ]),
    ],
  },
  '2.65': {
    says: 'a live migration that waits can be aborted',
    changes: [
      {
        what: 'one that is queued: refused for its state, then for want of a way',
        see: async ({ it, server, call }, version) => {
          const as = async (taskState: string | null, status: string) => {
            await it.db.updateTable('servers').set({ task_state: taskState }).where('id', '=', server).execute()
            await it.db.updateTable('server_migrations').set({ status }).execute()
          }
          await as('migrating', 'queued')
          const answer = await call('DELETE', `/servers/${server}/migrations/1`, version, undefined, 'admin')
          await as(null, 'running')
          return answer.status
        },
        before: 400,
        after: 501,
      },
    ],
  },
  '2.66': {
    says: 'changes-before',
    changes: [
      found('of servers', 'changes-before=2001-01-01T00:00:00Z', [true, false]),
      status('of actions', [400, 200], ({ server }) => [
        'GET',
        `/servers/${server}/os-instance-actions?changes-before=2100-01-01T00:00:00Z`,
      ]),
      status('of migrations', [400, 200], () => [
        'GET',
        '/os-migrations?changes-before=2100-01-01T00:00:00Z',
        undefined,
        'admin',
      ]),
    ],
  },
  '2.67': {
    says: 'new volumes have a type',
    changes: [
      {
        what: 'create with a volume type',
        see: async (scene, version) => {
          const {
            block_device_mapping_v2: [device],
          } = taggedDevice(scene)
          const more = { block_device_mapping_v2: [{ ...device, volume_type: null }] }
          return (await scene.call('POST', '/servers', version, newServer(scene, version, more))).status
        },
        before: 400,
        after: 202,
      },
    ],
  },
  '2.68': { says: 'nothing is forced onto a host', later: ['action os-migrateLive', 'action evacuate'] },
  '2.69': { says: 'servers in cells that are down', none: 'there is one database, and it is up or nothing is' },
  '2.70': {
    says: 'attached devices show their tags',
    changes: [
      field('an interface has', ({ server }) => `/servers/${server}/os-interface`, ['interfaceAttachments', 0, 'tag']),
    ],
  },
  '2.71': { says: 'a server names its groups', changes: [ofServer('server_groups')] },
  '2.72': {
    says: 'ports that ask for bandwidth',
    none: 'what ports ask for beyond an address is not read at any version',
  },
  '2.73': {
    says: 'why a server is locked',
    changes: [
      ofServer('locked_reason'),
      found('locked', 'locked=true', [true, false]),
      locking('anything at all', 'anything', [202, 400]),
      locking('a reason', { locked_reason: 'why' }, [null, 'why']),
    ],
  },
  '2.74': {
    says: 'new servers may name host and hypervisor',
    changes: [
      creating('a host', [400, 202], () => ({ host: 'host1' }), 'admin'),
      creating('a hypervisor', [400, 202], () => ({ hypervisor_hostname: 'host1.example' }), 'admin'),
    ],
  },
  '2.75': {
    says: 'unknown parameters are refused; answers to changes are whole; no swap is 0',
    changes: [
      ...['/servers', '/flavors', '/os-keypairs', '/limits', '/os-server-groups'].map((path) =>
        status(`${path}?unknown`, [200, 400], () => ['GET', `${path}?unknown=1`]),
      ),
      status('/os-services?unknown', [200, 400], () => ['GET', '/os-services?unknown=1', undefined, 'admin']),
      status('/os-quota-sets?unknown', [200, 400], () => ['GET', `${QUOTAS}?unknown=1`]),
      {
        what: 'swap of a flavor',
        see: async ({ call }, version) => part(await call('GET', '/flavors/1', version), 'flavor', 'swap'),
        before: '',
        after: 0,
      },
      {
        what: 'a changed server, whole',
        see: async ({ call, server }, version) =>
          has(
            await call('PUT', `/servers/${server}`, version, { server: { name: 'one' } }),
            'server',
            'OS-EXT-STS:vm_state',
          ),
        before: false,
        after: true,
      },
      {
        what: 'a rebuilt server, whole',
        see: async (scene, version) => has(await rebuilt(scene, version, {}), 'server', 'OS-EXT-STS:vm_state'),
        before: false,
        after: true,
      },
    ],
  },
  '2.76': { says: 'power may have changed elsewhere', changes: [event('power-update')] },
  '2.77': {
    says: 'unshelve into a zone',
    changes: [unshelving('a zone', [null, 'nova'], { availability_zone: 'nova' })],
  },
  '2.78': {
    says: 'topology of servers',
    changes: [status('topology', [404, 200], ({ server }) => ['GET', `/servers/${server}/topology`])],
  },
  '2.79': {
    says: 'attached volumes may go with the server',
    changes: [attaching('delete_on_termination', { delete_on_termination: true })],
  },
  '2.80': {
    says: 'migrations name user and project',
    changes: [
      ...['user_id', 'project_id'].flatMap((key) => [ofMigration(key), ofServersMigration(key)]),
      status('filtered by user', [400, 200], () => ['GET', '/os-migrations?user_id=alice', undefined, 'admin']),
    ],
  },
  '2.81': {
    says: 'images are fetched before they are needed',
    changes: [
      status('asked for', [404, 202], ({ aggregate, image }) => [
        'POST',
        `/os-aggregates/${aggregate}/images`,
        { cache: [{ id: image }] },
        'admin',
      ]),
    ],
  },
  '2.82': { says: 'accelerators may be bound', changes: [event('accelerator-request-bound')] },
  '2.83': {
    says: 'everybody may filter by more',
    changes: [
      'availability_zone=none',
      'config_drive=true',
      'key_name=none',
      'created_at=none',
      'launched_at=none',
      'terminated_at=none',
      'power_state=4',
      'task_state=deleting&name=one',
      'vm_state=error',
      'progress=7',
      'user_id=none',
    ].map((query) => found(query, query, [true, false])),
  },
  '2.84': {
    says: 'events have details',
    changes: [
      {
        what: 'details',
        see: async (scene, version) =>
          has(await action(scene, version, 'admin'), 'instanceAction', 'events', 0, 'details'),
        before: false,
        after: true,
      },
    ],
  },
  '2.85': {
    says: 'what becomes of an attached volume may change',
    changes: [
      status('delete_on_termination', [400, 404], ({ server }) => [
        'PUT',
        `/servers/${server}/os-volume_attachments/${VOLUME}`,
        { volumeAttachment: { volumeId: VOLUME, delete_on_termination: true } },
      ]),
    ],
  },
  '2.86': {
    says: 'extra specs that are known are checked',
    changes: [
      status('a wrong one', [200, 400], () => [
        'POST',
        '/flavors/1/os-extra_specs',
        { extra_specs: { 'hw:emulator_threads_policy': 'nonsense' } },
        'admin',
      ]),
      status('an unknown one of a known kind', [200, 400], () => [
        'PUT',
        '/flavors/1/os-extra_specs/hw:nonsense',
        { 'hw:nonsense': '1' },
        'admin',
      ]),
    ],
  },
  '2.87': { says: 'rescue of servers on volumes', none: 'servers have no volumes' },
  '2.88': {
    says: 'hypervisors no longer count; uptime is shown with them',
    changes: [
      status('statistics', [200, 404], () => ['GET', '/os-hypervisors/statistics', undefined, 'admin']),
      ...['vcpus', 'memory_mb', 'local_gb', 'running_vms', 'current_workload', 'cpu_info', 'disk_available_least'].map(
        (key) => gone('a hypervisor has', detailOf('os-hypervisors'), ['hypervisors', 0, key], 'admin'),
      ),
      field('a hypervisor has', detailOf('os-hypervisors'), ['hypervisors', 0, 'uptime'], 'admin'),
      {
        what: 'uptime alone',
        see: async ({ call }, version) => {
          const [one] = part(await call('GET', '/os-hypervisors', version, undefined, 'admin'), 'hypervisors') as {
            id: string
          }[]
          return (await call('GET', `/os-hypervisors/${one?.id}/uptime`, version, undefined, 'admin')).status
        },
        before: 200,
        after: 404,
      },
    ],
  },
  '2.89': { says: 'attachments name their ids', none: 'there are no volumes here' },
  '2.90': {
    says: 'host names of servers can be chosen',
    changes: [
      creating('a host name', [400, 202], () => ({ hostname: 'chosen' })),
      changing('the host name', { hostname: 'chosen' }),
      ofServer('OS-EXT-SRV-ATTR:hostname'),
      rebuilding('a host name', [400, 202], { hostname: 'chosen' }),
    ],
  },
  '2.91': {
    says: 'unshelve onto a host',
    changes: [unshelving('a host', [400, 'nova'], { availability_zone: 'nova', host: 'host1' }, 'admin')],
  },
  '2.92': {
    says: 'key pairs are no longer made; their names may have @ and dots',
    changes: [
      status('without a key', [201, 400], ({ fresh }) => ['POST', '/os-keypairs', { keypair: { name: fresh() } }]),
      keyPair('with @ and a dot', [400, 201], ({ fresh }) => ({ name: `${fresh()}@here.example` })),
    ],
  },
  '2.93': {
    says: 'servers on volumes can be rebuilt',
    changes: [event('volume-reimaged')],
  },
  '2.94': {
    says: 'host names with a domain',
    changes: [
      creating('a domain', [400, 202], () => ({ hostname: 'chosen.example.org' })),
      changing('the domain', { hostname: 'chosen.example.org' }),
    ],
  },
  '2.95': { says: 'what is evacuated stays stopped', later: ['action evacuate'] },
  '2.96': { says: 'a server names the zone it is kept in', changes: [ofServer('pinned_availability_zone')] },
  '2.97': {
    says: 'shares',
    changes: [
      status('shares', [404, 200], ({ server }) => ['GET', `/servers/${server}/shares`]),
      status('one attached while the server runs', [404, 409], ({ server }) => [
        'POST',
        `/servers/${server}/shares`,
        { share: { share_id: VOLUME } },
      ]),
    ],
  },
  '2.98': {
    says: "a server's image is shown with its properties",
    changes: [field('a server has', ({ server }) => `/servers/${server}`, ['server', 'image', 'properties'])],
  },
  '2.99': {
    says: 'SPICE without a proxy; the place of a console has a port for TLS',
    changes: [
      {
        what: 'why there is none',
        see: async (scene, version) => {
          const { body } = await askConsole(scene, version, 'spice', 'spice-direct')
          return /Unavailable console type spice-direct/.test(JSON.stringify(body))
        },
        before: false,
        after: true,
      },
      {
        what: 'tls_port',
        see: async (scene, version) => has(await consolePlace(scene, version), 'console', 'tls_port'),
        before: false,
        after: true,
      },
    ],
  },
  '2.100': { says: 'a server shows its hints', changes: [ofServer('scheduler_hints')] },
  '2.101': { says: 'volumes are attached later', none: 'there are no volumes here' },
  '2.102': {
    says: 'flavors by name; rxtx_factor and disabled are gone; unknown parameters are refused everywhere',
    changes: [
      {
        what: 'flavors by name',
        see: async ({ call }, version) => (await call('GET', '/flavors?name=tiny', version)).status,
        before: 400,
        after: 200,
      },
      gone('a flavor has', () => '/flavors/1', ['flavor', 'rxtx_factor']),
      gone('a flavor has', () => '/flavors/1', ['flavor', 'OS-FLV-DISABLED:disabled']),
      status('rxtx_factor', [200, 400], ({ fresh }) => [
        'POST',
        '/flavors',
        { flavor: { name: fresh(), ram: 1, vcpus: 1, disk: 1, rxtx_factor: 2 } },
        'admin',
      ]),
      ...['/flavors/1', '/os-availability-zone', '/os-aggregates'].map((path) =>
        status(`${path}?unknown`, [200, 400], () => ['GET', `${path}?unknown=1`, undefined, 'admin']),
      ),
      status('a server', [200, 400], ({ server }) => ['GET', `/servers/${server}?unknown=1`]),
    ],
  },
  '2.103': {
    says: 'os-volumes_boot is gone',
    changes: [
      status('listed', [200, 404], () => ['GET', '/os-volumes_boot']),
      status('made', [202, 404], (the) => ['POST', '/os-volumes_boot', newServer(the, '2.103', {})]),
    ],
  },
}
