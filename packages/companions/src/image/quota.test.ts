/** What a project's images may take: exact, also when many come at once. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { testImage } from '../test-cloud.ts'

const MIB = 1024 ** 2
const raw = { container_format: 'bare', disk_format: 'raw' }

async function world(t: { after(end: () => Promise<void>): void }) {
  const cloud = await testImage({ quota: { imageCountTotal: 3, imageSizeTotalMib: 2 } })
  t.after(() => cloud.close())
  const demo = await cloud.person('demo')
  const make = async () => (await demo.call('POST', '/v2/images', raw)) as { status: number; body: { id: string } }
  const put = async (id: string, bytes: number) =>
    fetch(`${cloud.image.url}/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { 'x-auth-token': demo.token, 'content-type': 'application/octet-stream' },
      body: randomBytes(bytes),
    })
  return { cloud, demo, make, put }
}

test('of many images made at once, as many as allowed are made; a deleted one makes room', async (t) => {
  const { cloud, demo, make } = await world(t)
  const made = await Promise.all(Array.from({ length: 10 }, make))
  assert.deepEqual(
    made.map(({ status }) => status).toSorted((a, b) => a - b),
    [201, 201, 201, 413, 413, 413, 413, 413, 413, 413],
  )
  const other = await cloud.person('other')
  assert.equal((await other.call('POST', '/v2/images', raw)).status, 201)
  const { id } = made.find(({ status }) => status === 201)?.body ?? { id: '' }
  assert.equal((await demo.call('DELETE', `/v2/images/${id}`)).status, 204)
  assert.equal((await make()).status, 201)
})

test('bytes beyond the sum are refused while they come, and when two come at once one of them is', async (t) => {
  const { cloud, demo, make, put } = await world(t)
  const ids = (await Promise.all([make(), make(), make()])).map(({ body }) => body.id)
  const [one = '', two = '', three = ''] = ids
  assert.equal((await put(one, 2 * MIB + 1)).status, 413)
  const both = await Promise.all([put(one, 1.5 * MIB), put(two, 1.5 * MIB)])
  assert.deepEqual(
    both.map(({ status }) => status).toSorted((a, b) => a - b),
    [204, 413],
  )
  assert.equal((await put(three, MIB / 2)).status, 204)
  const left = both[0]?.status === 204 ? two : one
  assert.equal((await put(left, 1)).status, 413)
  assert.equal((await readdir(join(cloud.directory, 'content'))).length, 2)
  assert.deepEqual(await readdir(join(cloud.directory, 'uploads')), [])
  const { usage } = (await demo.call('GET', '/v2/info/usage')).body as { usage: unknown }
  assert.deepEqual(usage, {
    image_size_total: { usage: 2, limit: 2 },
    image_count_total: { usage: 3, limit: 3 },
    image_count_uploading: { usage: 0, limit: -1 },
    image_stage_total: { usage: 0, limit: -1 },
  })
})
