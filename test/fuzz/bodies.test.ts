/** Whatever is sent to the Compute API, at whatever version: never a failure of the service, always a fault of Nova's shape, and what is refused changed nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cloud, OTHER_PROJECT, PROJECT, server, settled, type Cloud } from '@kilonova/kilonova/api/testing/cloud.ts'
import type { AnyOperation, Schemas } from '@kilonova/kilonova/api/resource.ts'
import { OPERATIONS } from '@kilonova/kilonova/api/resources/index.ts'
import { ACTION_KEYS } from '@kilonova/kilonova/api/resources/server-action.ts'
import { byMinor, MAX_MINOR, versionOf } from '@kilonova/kilonova/domain/microversion.ts'
import { attaches } from '@kilonova/kilonova/api/testing/attaching.ts'
import { hostAnswers } from '@kilonova/kilonova/api/testing/host.ts'
import fc from 'fast-check'
import { inputOf, junk, keysOf, text, type Known } from './from-schema.ts'

const SEED = Number(process.env['KILONOVA_TEST_SEED'] ?? 20_261_121)
/** Requests, and the time after which it is enough however few they were. */
const RUNS = Number(process.env['KILONOVA_FUZZ_RUNS'] ?? 600)
const MOST_MS = process.env['KILONOVA_FUZZ_RUNS'] === undefined ? 20_000 : 600_000

/** Independent of the API's own table. */
const NAMES: Readonly<Record<number, string>> = {
  400: 'badRequest',
  403: 'forbidden',
  404: 'itemNotFound',
  405: 'badMethod',
  409: 'conflictingRequest',
  410: 'computeFault',
  501: 'notImplemented',
  413: 'overLimit',
  415: 'badMediaType',
}

interface Sent {
  readonly operation: AnyOperation
  readonly minor: number
  readonly path: string
  readonly as: string
  readonly json?: unknown
}
const shown = ({ operation, minor, path, as, json }: Sent) =>
  `${operation.method} ${path.slice(0, 500)} at 2.${minor} as ${as}: ${JSON.stringify(json)?.slice(0, 2_000)}`

const schemasAt = (schemas: Schemas | undefined) =>
  schemas === undefined ? () => undefined : byMinor('safeParse' in schemas ? { '2.1': schemas } : schemas)

function requestsOf(operation: AnyOperation, known: Known): fc.Arbitrary<Sent> {
  const bodyAt = schemasAt(operation.body)
  const queryAt = schemasAt(operation.query)
  const isAction = operation.path.endsWith('/servers/:id/action')
  return fc.integer({ min: 1, max: MAX_MINOR }).chain((minor) => {
    const schema = bodyAt(minor)
    const fitting = schema ? inputOf(schema, known) : fc.constant(undefined)
    const value = fc.oneof(
      fc.constantFrom(null, {}, { type: 'SOFT' }, { type: 'HARD' }, { length: 5 }, { state: 'error' }),
      junk(known),
    )
    const action = fc.dictionary(fc.constantFrom(...ACTION_KEYS), value, { minKeys: 1, maxKeys: 1 })
    const bodies = fc.oneof(
      { weight: 8, arbitrary: isAction ? action : fitting },
      { weight: 1, arbitrary: junk(known) },
    )
    const keys = fc.constantFrom('limit', 'marker', 'unknown', ...keysOf(queryAt(minor)))
    const pair = fc.tuple(fc.oneof({ weight: 9, arbitrary: keys }, { weight: 1, arbitrary: text(known) }), text(known))
    const query = fc.array(pair, { maxLength: operation.method === 'GET' ? 4 : 1 })
    const name = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...known.words) },
      { weight: 1, arbitrary: text(known) },
    )
    const names = fc.array(name, { minLength: 2, maxLength: 2 })
    const as = fc.constantFrom('admin', 'admin', 'admin', 'member', 'member', 'other', 'reader', 'service', '')
    return fc.record({ json: bodies, query, names, as }).map(({ json, query, names, as }) => {
      const rest = [...names]
      const named = operation.path.replaceAll(/:\w+/g, () => encoded(rest.shift() ?? '').slice(0, 2_000) || 'x')
      const search = query.map(([key, value]) => `${encoded(key)}=${encoded(value)}`).join('&')
      const path = search === '' ? named : `${named}?${search.slice(0, 6_000)}`
      return { operation, minor, path, as, ...(json === undefined || operation.method === 'GET' ? {} : { json }) }
    })
  })
}
/** Half of a pair of surrogates has no place in a URL. */
const encoded = (word: string): string => encodeURIComponent(word.toWellFormed())

/** All that is kept, to see that what was refused changed nothing. */
async function everything({ db }: Cloud): Promise<string> {
  const tables = await db.introspection.getTables()
  const rows = await Promise.all(
    tables.map(({ name }) =>
      db
        .selectFrom(name as 'servers')
        .selectAll()
        .execute(),
    ),
  )
  return JSON.stringify(rows)
}

async function world(t: Parameters<typeof cloud>[0]): Promise<{ it: Cloud; known: Known }> {
  const it = await cloud(t, { quota: { instances: -1, cores: -1, ram: -1, server_groups: -1, key_pairs: -1 } })
  const servers = [await server(it), await server(it), await server(it)]
  for (const id of servers) await settled(it, id)
  const made = await it.call('POST', '/os-server-groups', {
    json: { server_group: { name: 'g', policy: 'anti-affinity' } },
    version: '2.64',
  })
  const group = (made.body as { server_group: { id: string } }).server_group.id
  await it.call('POST', '/os-aggregates', { json: { aggregate: { name: 'one' } }, as: 'admin' })
  hostAnswers(t, it)
  attaches(it)
  const [images, networks] = [[...it.images.keys()], [...it.networks.keys()]]
  const names = ['a', 'b', 'c', 'd']
  const fields = {
    flavorRef: ['1'],
    imageRef: images,
    uuid: networks,
    group: [group],
    server_uuid: servers,
    host: ['host1'],
    name: names,
    networks: ['none', 'auto'],
    user_data: ['YQ=='],
    binary: ['nova-compute'],
    security_groups: [[{ name: 'default' }]],
    policies: [['affinity']],
    policy: ['soft-affinity'],
    ram: [1],
    vcpus: [1],
    disk: [1],
  }
  const words = [
    ...servers,
    ...servers,
    group,
    '1',
    '1',
    'host1',
    PROJECT,
    OTHER_PROJECT,
    ...images,
    ...networks,
    ...names,
  ]
  return { it, known: { words, fields } }
}

test('every operation, with bodies and queries made from its schemas', { timeout: MOST_MS + 40_000 }, async (t) => {
  const { it, known } = await world(t)
  let before = await everything(it)
  const codes = new Map<number, number>()
  const requests = fc.oneof(...OPERATIONS.map((operation) => requestsOf(operation, known)))
  const property = fc.asyncProperty(requests, async (sent) => {
    const { operation, minor, path, as, json } = sent
    const answer = await it.call(operation.method, path, {
      as,
      version: versionOf(minor),
      ...(json === undefined ? {} : { json }),
    })
    const { status, body } = answer
    const told = () => `${status} ${JSON.stringify(body)?.slice(0, 1_000)} to ${shown(sent)}`
    codes.set(status, (codes.get(status) ?? 0) + 1)
    // What this cloud has not is 501 upstream too, and nothing else is.
    assert.ok(status < 500 || (status === 501 && operation.lacks !== undefined), told())
    if (status < 400) {
      if (operation.method !== 'GET') before = await everything(it)
      return
    }
    if (status === 401) assert.equal((body as { error: { code: number } }).error.code, 401, told())
    else {
      const fault = (body as Readonly<Record<string, { code: number; message: string }>>)[NAMES[status] ?? '']
      assert.ok(fault?.code === status && fault.message.length > 0 && Object.keys(body as object).length === 1, told())
    }
    if (operation.method !== 'GET') {
      const now = await everything(it)
      const changed = now !== before
      before = now
      assert.ok(!changed, `it was refused, and changed something: ${told()}`)
    }
  })
  const begun = performance.now()
  await fc.assert(property, {
    seed: SEED,
    numRuns: RUNS,
    interruptAfterTimeLimit: MOST_MS,
    endOnFailure: true,
  })
  t.diagnostic(
    `${Math.round(performance.now() - begun)} ms; answers by status: ${JSON.stringify(Object.fromEntries(codes))}`,
  )
  assert.ok((codes.get(200) ?? 0) > 0 && (codes.get(400) ?? 0) > 0, 'nothing that was sent was any good')
})
