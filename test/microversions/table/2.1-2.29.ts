/** What microversions 2.1 to 2.29 changed. */
import {
  KEY,
  VOLUME,
  askConsole,
  changing,
  creating,
  field,
  found,
  groupOf,
  hypervisors,
  keyPair,
  ofMigration,
  ofServer,
  ofShelved,
  oldConsole,
  remoteConsole,
  status,
  type Entry,
} from '../changes.ts'
import { has, part } from '../scene.ts'

export const FROM_2_1: Readonly<Record<string, Entry>> = {
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
}
