/** What microversions 2.57 to 2.79 changed. */
import {
  FILES,
  QUOTAS,
  QUOTA_CLASS,
  action,
  attaching,
  creating,
  event,
  field,
  found,
  gone,
  groupOf,
  locking,
  newServer,
  ofMigration,
  ofServer,
  ofServersMigration,
  quotasWithout,
  rebuilding,
  rebuilt,
  status,
  taggedDevice,
  unshelving,
  type Entry,
} from '../changes.ts'
import { has, part } from '../scene.ts'

export const FROM_2_57: Readonly<Record<string, Entry>> = {
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
}
