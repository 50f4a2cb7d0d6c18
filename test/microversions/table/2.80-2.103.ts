/** What microversions 2.80 to 2.103 changed. */
import {
  VOLUME,
  action,
  askConsole,
  changing,
  consolePlace,
  creating,
  detailOf,
  event,
  field,
  found,
  gone,
  keyPair,
  newServer,
  ofMigration,
  ofServer,
  ofServersMigration,
  rebuilding,
  status,
  unshelving,
  type Entry,
} from '../changes.ts'
import { has, part } from '../scene.ts'

export const FROM_2_80: Readonly<Record<string, Entry>> = {
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
