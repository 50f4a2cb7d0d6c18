/** Whatever is sent to the identity, image and network services: never a failure, always a fault of the service's own shape. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testImage, testNetwork, type Person } from '@kilonova/companions/test-cloud.ts'
import fc from 'fast-check'
import { junk, text, type Known } from './from-schema.ts'

const SEED = Number(process.env['KILONOVA_TEST_SEED'] ?? 20_261_121)
const RUNS = Number(process.env['KILONOVA_FUZZ_RUNS'] ?? 250)
const MOST_MS = process.env['KILONOVA_FUZZ_RUNS'] === undefined ? 8_000 : 600_000

interface Service {
  /** Paths with `*` for an id. */
  readonly paths: readonly string[]
  /** Fields of bodies, beside anything else. */
  readonly fields: readonly string[]
  /** The body's outermost key for a path; undefined where there is none. */
  frame(path: string): string | undefined
  /** Whether it is a fault of this service with that status. */
  isFault(body: unknown, status: number): boolean
}

const singular = (path: string): string | undefined => {
  const many = path.split('/').findLast((part) => /^[a-z][a-z_-]+s$/.test(part))
  return many?.replace('policies', 'policy').replace(/s$/, '').replaceAll('-', '_')
}
const codeOf = (body: unknown, key: string): unknown => (body as Record<string, { code?: number }> | null)?.[key]?.code
/** Of all services when nobody is known by a token. */
const isKeystones = (body: unknown, status: number) => codeOf(body, 'error') === status

const IDENTITY: Service = {
  paths: [
    ...['users', 'projects', 'groups', 'roles', 'domains', 'services', 'endpoints', 'regions'].flatMap((noun) => [
      `/v3/${noun}`,
      `/v3/${noun}/*`,
    ]),
    '/v3/auth/tokens',
    '/v3/auth/projects',
    '/v3/auth/catalog',
    '/v3/role_assignments',
    '/v3/users/*/password',
    '/v3/users/*/groups',
    '/v3/users/*/projects',
    '/v3/users/*/application_credentials',
    '/v3/groups/*/users/*',
    '/v3/projects/*/users/*/roles/*',
    '/v3/domains/*/groups/*/roles',
    '/v3/roles/*/implies/*',
  ],
  fields:
    'name id password domain_id default_project_id enabled email description parent_id type url interface service_id region_id user auth identity methods scope project roles options tags original_password'.split(
      ' ',
    ),
  frame: singular,
  isFault: isKeystones,
}
const IMAGE: Service = {
  paths: [
    '/v2/images',
    '/v2/images/*',
    '/v2/images/*/members',
    '/v2/images/*/members/*',
    '/v2/images/*/tags/*',
    '/v2/images/*/actions/deactivate',
    '/v2/images/*/import',
    '/v2/tasks/*',
    '/v2/schemas/image',
  ],
  fields:
    'name id visibility protected os_hidden disk_format container_format min_disk min_ram owner tags member status method'.split(
      ' ',
    ),
  frame: () => undefined,
  isFault: (body, status) =>
    isKeystones(body, status) || String((body as { code?: string } | undefined)?.code).startsWith(String(status)),
}
const NETWORK: Service = {
  paths: [
    ...[
      'networks',
      'subnets',
      'ports',
      'security-groups',
      'security-group-rules',
      'routers',
      'floatingips',
      'quotas',
    ].flatMap((noun) => [`/v2.0/${noun}`, `/v2.0/${noun}/*`]),
    '/v2.0/networks/*/tags',
    '/v2.0/networks/*/tags/*',
    '/v2.0/routers/*/add_router_interface',
    '/v2.0/routers/*/remove_router_interface',
    '/v2.0/network-ip-availabilities',
    '/v2.0/extensions/*',
  ],
  fields:
    'name network_id cidr ip_version gateway_ip fixed_ips mac_address security_groups device_id device_owner tags mtu shared direction ethertype protocol port_range_min port_range_max remote_ip_prefix external_gateway_info floating_network_id port_id subnet_id'.split(
      ' ',
    ),
  frame: singular,
  isFault: (body, status) =>
    isKeystones(body, status) ||
    typeof (body as { NeutronError?: { type: string } } | undefined)?.NeutronError?.type === 'string',
}

async function prove({ paths, fields, frame, isFault }: Service, people: readonly Person[], words: readonly string[]) {
  const known: Known = { words, fields: {} }
  const word = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...words) }, { weight: 2, arbitrary: text(known) })
  const content = fc.dictionary(fc.oneof(fc.constantFrom(...fields), text(known)), fc.oneof(word, junk(known)), {
    maxKeys: 5,
  })
  const request = fc.record({
    person: fc.constantFrom(...people),
    method: fc.constantFrom('GET' as const, 'POST' as const, 'PUT' as const, 'PATCH' as const, 'DELETE' as const),
    path: fc.constantFrom(...paths),
    names: fc.array(word, { minLength: 3, maxLength: 3 }),
    query: fc.array(fc.tuple(fc.oneof(fc.constantFrom('limit', 'marker', 'sort_key', ...fields), text(known)), word), {
      maxLength: 3,
    }),
    framed: content,
    loose: junk(known),
    isLoose: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
  })
  let refused = 0
  const property = fc.asyncProperty(request, async ({ person, method, path, names, query, framed, loose, isLoose }) => {
    const encoded = (one: string) => encodeURIComponent(one.toWellFormed()).slice(0, 3_000).replace(/%.?$/, '')
    const rest = [...names]
    const asked = path.replaceAll('*', () => encoded(rest.shift() ?? '') || 'x')
    const search = query.map(([key, value]) => `${encoded(key)}=${encoded(value)}`).join('&')
    const key = frame(path)
    const json = method === 'GET' ? undefined : isLoose ? loose : key === undefined ? framed : { [key]: framed }
    const { status, body } = await person.call(method, search === '' ? asked : `${asked}?${search}`, json)
    const told = () =>
      `${status} ${JSON.stringify(body)?.slice(0, 500)} to ${method} ${asked.slice(0, 300)}?${search.slice(0, 300)} ${JSON.stringify(json)?.slice(0, 800)}`
    assert.ok(status < 500, told())
    if (status < 400) return
    refused += 1
    assert.ok(isFault(body, status), told())
  })
  await fc.assert(property, { seed: SEED, numRuns: RUNS, interruptAfterTimeLimit: MOST_MS, endOnFailure: true })
  assert.ok(refused > 0)
}

test('identity and image', { timeout: 60_000 + 2 * MOST_MS }, async (t) => {
  const cloud = await testImage()
  t.after(() => cloud.close())
  const { url } = cloud.identity
  const words = [...Object.values(cloud.projects), 'demo', 'admin', 'default', 'member', 'a']
  await prove(IDENTITY, [await cloud.person('admin', url), await cloud.person('demo', url)], words)
  const admin = await cloud.person('admin')
  const made = await admin.call('POST', '/v2/images', { name: 'i', disk_format: 'raw', container_format: 'bare' })
  await prove(IMAGE, [admin, await cloud.person('demo')], [...words, (made.body as { id: string }).id])
})

test('network', { timeout: 60_000 + MOST_MS }, async (t) => {
  const cloud = await testNetwork()
  t.after(() => cloud.close())
  const admin = await cloud.person('admin')
  const made = await admin.call('POST', '/v2.0/networks', { network: { name: 'n', shared: true } })
  const { id } = (made.body as { network: { id: string } }).network
  const subnet = { network_id: id, ip_version: 4, cidr: '10.0.0.0/24' }
  const sub = await admin.call('POST', '/v2.0/subnets', { subnet })
  const words = [
    ...Object.values(cloud.projects),
    id,
    id,
    (sub.body as { subnet: { id: string } }).subnet.id,
    '10.0.0.9',
  ]
  await prove(NETWORK, [admin, await cloud.person('demo'), await cloud.person('other')], words)
})
