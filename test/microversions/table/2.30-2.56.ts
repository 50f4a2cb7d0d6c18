/** What microversions 2.30 to 2.56 changed. */
import { settled } from '@kilonova/kilonova/api/testing/cloud.ts'
import {
  ADDRESSES,
  LIMITS_OF_NETWORKS,
  PROXIES,
  QUOTA_CLASS,
  action,
  attaching,
  consolePlace,
  creating,
  detailOf,
  event,
  field,
  found,
  gone,
  hypervisors,
  newServer,
  quotasWithout,
  rebuilding,
  status,
  taggedDevice,
  taggedNetwork,
  type Entry,
} from '../changes.ts'
import { has, part, type Scene } from '../scene.ts'

export const FROM_2_30: Readonly<Record<string, Entry>> = {
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
}
