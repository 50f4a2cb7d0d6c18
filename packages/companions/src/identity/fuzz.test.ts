/** Whatever is sent, the answer is one of Keystone's: never a 500, and never a thing that does not show again. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { testRegistry, type Registry } from './testing.ts'

let it: Registry
before(async () => void (it = await testRegistry()))
after(() => it.close())

const NOUNS = ['domain', 'project', 'user', 'group', 'role', 'service', 'endpoint', 'region'] as const
const FIELDS = [
  'id', 'name', 'domain_id', 'parent_id', 'description', 'enabled', 'tags', 'options', 'email', 'password', 'type', 'url',
  'interface', 'service_id', 'region_id', 'region', 'parent_region_id', 'is_domain', 'default_project_id', 'extra', 'links',
] // prettier-ignore
const odd = fc.oneof(
  fc.constantFrom(
    '',
    '\0',
    'a\0b',
    '__proto__',
    'constructor',
    '%',
    '^',
    "'",
    'default',
    'here',
    'true',
    '-1',
    '\ud800',
    '😀',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({ minLength: 260, maxLength: 300 }),
)
const value = fc.oneof(odd, fc.jsonValue({ maxDepth: 3 }), fc.boolean(), fc.integer(), fc.array(odd, { maxLength: 3 }))
const fields = fc.dictionary(fc.oneof(fc.constantFrom(...FIELDS), odd), value, { maxKeys: 6 })

const answered = ({ status, body }: { status: number; body: unknown }, ...sent: unknown[]): number => {
  assert.ok(status >= 200 && status < 500, `${status} to ${JSON.stringify(sent)}: ${JSON.stringify(body)}`)
  return status
}

test('what is made shows again, and can be changed and deleted', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...NOUNS), fields, fields, async (one, made, changed) => {
      const named = { name: `n${Math.random()}`, type: 't', ...made }
      const answer = await it.admin.call('POST', `/v3/${one}s`, { [one]: named })
      if (answered(answer, one, named) !== 201) return
      const id = encodeURIComponent((answer.body as Record<string, { id: string }>)[one]?.id ?? '')
      // An id of one's own choosing (a region's) may be none that fits into a path.
      const shown = answered(await it.admin.call('GET', `/v3/${one}s/${id}`), one, named)
      if (one !== 'region') assert.equal(shown, 200)
      answered(await it.admin.call('PATCH', `/v3/${one}s/${id}`, { [one]: changed }), one, changed)
      answered(await it.admin.call('GET', `/v3/${one}s`), one)
      answered(await it.admin.call('DELETE', `/v3/${one}s/${id}`), one)
    }),
    { numRuns: 40 },
  )
})

test('bodies without a frame, and logins', async () => {
  const auth = fc.record({
    identity: fc.oneof(value, fc.record({ methods: fc.array(odd), password: value, token: value })),
    scope: value,
  })
  await fc.assert(
    fc.asyncProperty(value, auth, async (body, login) => {
      for (const path of ['domains', 'users', 'auth/tokens', 'users/x/password', 'regions'])
        answered(await it.admin.call('POST', `/v3/${path}`, body), path, body)
      answered(await it.admin.call('POST', '/v3/auth/tokens', { auth: login }), login)
    }),
    { numRuns: 12 },
  )
})

test('ids in paths, and queries', async () => {
  const paths = [
    (a: string) => `users/${a}`,
    (a: string, b: string) => `projects/${a}/tags/${b}`,
    (a: string, b: string) => `projects/${a}/users/${b}/roles/${a}`,
    (a: string, b: string) => `groups/${a}/users/${b}`,
    (a: string, b: string) => `roles/${a}/implies/${b}`,
    (a: string, b: string) => `users/${a}/application_credentials/${b}`,
  ]
  const names = [
    'name',
    'name__contains',
    'enabled',
    'domain_id',
    'user.id',
    'scope.project.id',
    'tags',
    'effective',
    'since',
    'wait',
  ]
  const query = fc.array(fc.tuple(fc.oneof(fc.constantFrom(...names), odd), odd), { maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...paths), odd, odd, query, async (path, a, b, pairs) => {
      const one = path(safe(a), safe(b))
      for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE'] as const)
        answered(await it.admin.call(method, `/v3/${one}`), method, one)
      const text = pairs.map(([name, part]) => `${safe(name)}=${safe(part)}`).join('&')
      for (const list of ['users', 'projects', 'role_assignments', 'roles'])
        answered(await it.admin.call('GET', `/v3/${list}?${text}`), list, text)
    }),
    { numRuns: 15 },
  )
})

/** A lone surrogate has no place in a URL. */
const safe = (text: string): string => encodeURIComponent(text.toWellFormed())
