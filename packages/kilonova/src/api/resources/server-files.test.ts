/** Files for a new guest: kept as they were given, within the limits, until 2.56. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { findServer } from '../../db/servers.ts'
import { at, cloud, type Cloud } from '../testing/cloud.ts'

interface File {
  readonly path?: string
  readonly contents?: string
}
const made = (t: TestContext) => cloud(t, { quota: { injected_file_content_bytes: 8 } })
const create = (it: Cloud, personality: readonly File[], version = '2.56') =>
  it.call('POST', '/servers', {
    version,
    json: {
      server: { name: 'one', flavorRef: '1', imageRef: [...it.images.keys()][0], networks: 'none', personality },
    },
  })
const file = (change: File = {}): File => ({ path: '/etc/motd', contents: 'aGVsbG8=', ...change })

test('files are kept with the server', async (t) => {
  const it = await made(t)
  const answer = await create(it, [file(), file({ path: '/etc/issue', contents: '' })])
  assert.equal(answer.status, 202)
  assert.deepEqual((await findServer(it.db, String(at(answer, 'server', 'id'))))?.injectedFiles, [
    file(),
    file({ path: '/etc/issue', contents: '' }),
  ])
})

test('too many, too long or too large ones are refused by name', async (t) => {
  const it = await made(t)
  for (const [files, words] of [
    [Array.from({ length: 6 }, () => file()), 'Personality file limit exceeded'],
    [[file({ path: `/${'a'.repeat(255)}` })], 'Personality file path exceeds maximum 255'],
    [[file({ contents: 'aGVsbG8hIQ==' })], 'Personality file content exceeds maximum 8'],
  ] as const) {
    const answer = await create(it, files)
    assert.deepEqual([answer.status, at(answer, 'forbidden', 'message')], [403, words])
  }
  assert.equal(
    (
      await create(
        it,
        Array.from({ length: 5 }, () => file({ path: `/${'a'.repeat(254)}` })),
      )
    ).status,
    202,
  )
})

test('what is not base64, has no path, or comes later than 2.56 is refused', async (t) => {
  const it = await made(t)
  for (const wrong of [{ path: '/etc/motd', contents: 'no!' }, { contents: 'aGVsbG8=' }, { path: '/etc/motd' }])
    assert.equal((await create(it, [wrong])).status, 400)
  assert.equal((await create(it, [file()], '2.57')).status, 400)
})
