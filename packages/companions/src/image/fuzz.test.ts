/** Whatever is sent, the answer is one of Glance's: never a 500, and never an image that does not show again. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { testImage, type Person, type TestImage } from '../test-cloud.ts'

let cloud: TestImage
let demo: Person
let admin: Person
before(async () => {
  cloud = await testImage({
    webSources: { allowedHosts: ['mirror.test'], allowedPorts: [80], allowedNetworks: [] },
    resolve: async () => [],
  })
  ;[demo, admin] = await Promise.all([cloud.person('demo'), cloud.person('admin')])
})
after(() => cloud.close())

const PATCH = { 'content-type': 'application/openstack-images-v2.1-json-patch' }
const FIELDS = [
  'id', 'name', 'visibility', 'protected', 'os_hidden', 'disk_format', 'container_format', 'min_disk', 'min_ram', 'owner', 'tags', 'size',
  'created_at', 'updated_at', 'limit', 'marker', 'sort', 'sort_key', 'sort_dir', 'member_status', 'status', 'size_min', 'size_max', 'tag', 'a',
] // prettier-ignore
const odd = fc.oneof(
  fc.constantFrom(
    '',
    '\0',
    'a\0b',
    '__proto__',
    'constructor',
    '%',
    'in:',
    'in:"',
    'gt:',
    'gt:0',
    '-1',
    '1e9',
    'NaN',
    '😀',
    '\ud800',
    'public',
    'raw',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({ minLength: 300, maxLength: 400 }),
)
const value = fc.oneof(odd, fc.jsonValue({ maxDepth: 3 }), fc.boolean(), fc.integer(), fc.array(odd, { maxLength: 3 }))
const field = fc.oneof(fc.constantFrom(...FIELDS), odd)
const document = fc.dictionary(field, value, { maxKeys: 5 })

const answered = ({ status }: { status: number }, ...sent: unknown[]): number => {
  assert.ok(status < 500 && status >= 200, `${status}: ${JSON.stringify(sent)}`)
  return status
}

test('images and changes of them', async () => {
  const change = fc.record(
    {
      op: fc.constantFrom('add', 'replace', 'remove', 'move'),
      path: fc.oneof(
        field.map((name) => `/${name}`),
        odd,
      ),
      value,
    },
    { requiredKeys: ['op', 'path'] },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(document, value),
      fc.oneof(fc.array(change, { maxLength: 4 }), value),
      async (body, changes) => {
        const made = await demo.call('POST', '/v2/images', body)
        if (answered(made, body) !== 201) return
        const { id } = made.body as { id: string }
        answered(await demo.call('PATCH', `/v2/images/${id}`, changes, PATCH), changes)
        assert.equal((await demo.call('GET', `/v2/images/${id}`)).status, 200)
        assert.equal((await demo.call('GET', '/v2/images?visibility=all&os_hidden=true')).status, 200)
        answered(await demo.call('POST', `/v2/images/${id}/import`, body))
        answered(await demo.call('POST', `/v2/images/${id}/members`, body))
      },
    ),
    { numRuns: 50 },
  )
})

test('lists, and names in paths', async () => {
  const query = fc.array(fc.tuple(field, odd), { maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(query, odd, odd, async (pairs, one, two) => {
      const text = new URLSearchParams(pairs).toString()
      for (const who of [demo, admin])
        for (const path of ['/v2/images', '/v2/tasks']) answered(await who.call('GET', `${path}?${text}`), text)
      const [id, name] = [one, two].map((part) => encodeURIComponent(part.toWellFormed()))
      for (const path of [
        `/v2/images/${id}`,
        `/v2/images/${id}/members/${name}`,
        `/v2/tasks/${id}`,
        `/v2/images/${id}/tasks`,
      ])
        answered(await admin.call('GET', path), path)
      for (const method of ['PUT', 'DELETE'] as const)
        answered(await demo.call(method, `/v2/images/${id}/tags/${name}`), id)
    }),
    { numRuns: 50 },
  )
})
