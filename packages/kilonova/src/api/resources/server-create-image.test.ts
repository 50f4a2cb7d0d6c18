/** Images of servers over HTTP: what the image says of itself, what is told of it, and that a refused request leaves none. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, cloud, imageOf, server, settled, type Cloud } from '../testing/cloud.ts'

const act = (it: Cloud, id: string, json: unknown, version = '2.90', as = 'member') =>
  it.call('POST', `/servers/${id}/action`, { json, version, as })

async function withServer(it: Cloud, properties: Readonly<Record<string, string>> = {}): Promise<string> {
  const image = imageOf({ properties, minRamMb: 64 })
  it.images.set(image.id, image)
  const id = await server(it, { imageRef: image.id })
  await settled(it, id)
  return id
}

test('the image inherits what is in the base image, and says what it is of', async (t) => {
  const it = await cloud(t)
  const id = await withServer(it, { hw_disk_bus: 'scsi', img_signature: 'x', cache_in_nova: 'True' })
  const before = new Set(it.images.keys())
  const answer = await act(it, id, { createImage: { name: 'copy', metadata: { colour: 'red' } } })
  assert.equal(answer.status, 202)
  const imageId = String(at(answer, 'image_id'))
  const made = it.images.get(imageId)
  assert.ok(made && !before.has(imageId))
  const { boot_roles: _, ...properties } = made.properties
  assert.deepEqual(
    { ...made, properties },
    imageOf({
      id: imageId,
      name: 'copy',
      status: 'queued',
      minDiskGb: 1,
      minRamMb: 64,
      properties: {
        hw_disk_bus: 'scsi',
        base_image_ref: [...before].at(-1) ?? '',
        image_location: 'snapshot',
        image_state: 'available',
        owner_id: '11111111111111111111111111111111',
        instance_uuid: id,
        user_id: 'alice',
        image_type: 'snapshot',
        colour: 'red',
      },
    }),
  )
  assert.equal(at(await it.call('GET', `/servers/${id}`), 'server', 'OS-EXT-STS:task_state'), 'image_snapshot_pending')
})

test('up to 2.44 the place of the image is a header; a backup that stays nowhere is told of nowhere', async (t) => {
  const it = await cloud(t)
  const id = await withServer(it)
  const old = await act(it, id, { createImage: { name: 'copy' } }, '2.44')
  assert.deepEqual([old.status, old.body], [202, undefined])
  assert.match(String(old.headers['location']), /^http:\/\/image\.invalid\/images\/[0-9a-f-]{36}$/)
  await settled(it, id)
  const json = { createBackup: { name: 'copy', backup_type: 'daily', rotation: 0 } }
  const backup = await act(it, id, json)
  assert.deepEqual([backup.status, backup.body], [202, undefined])
})

test('a request that is refused leaves no image', async (t) => {
  const it = await cloud(t, { quota: { metadata_items: 1 } })
  const id = await withServer(it)
  const images = it.images.size
  const two = { a: '1', b: '2' }
  for (const [json, version, status, as] of [
    [{ createImage: {} }, '2.90', 400, 'member'],
    [{ createImage: { name: ' x' } }, '2.90', 400, 'member'],
    [{ createImage: { name: 'x', more: 1 } }, '2.90', 400, 'member'],
    [{ createBackup: { name: 'x', backup_type: 'd', rotation: -1 } }, '2.90', 400, 'member'],
    [{ createBackup: { name: 'x', rotation: 1 } }, '2.90', 400, 'member'],
    [{ createImage: { name: 'x', metadata: two } }, '2.38', 403, 'member'],
    [{ createImage: { name: 'x' } }, '2.90', 403, 'reader'],
    [{ createImage: { name: 'x' } }, '2.90', 404, 'other'],
  ] as const) {
    const answer = await act(it, id, json, version, as)
    assert.equal(answer.status, status, `${JSON.stringify(json)}: ${JSON.stringify(answer.body)}`)
  }
  assert.equal((await act(it, id, { 'os-stop': null })).status, 202)
  const busy = await act(it, id, { createImage: { name: 'x' } })
  assert.equal(busy.status, 409)
  assert.match(JSON.stringify(busy.body), /Cannot 'createImage' instance .* while it is in task_state powering-off/)
  assert.equal(it.images.size, images)
})

test("an administrator's copy of another project's server is the administrator's, and may be shared", async (t) => {
  const it = await cloud(t)
  const id = await withServer(it)
  assert.equal(
    (await act(it, id, { createImage: { name: 'copy', metadata: { a: '1' } } }, '2.90', 'admin')).status,
    202,
  )
  const task = await it.db.selectFrom('tasks').select('body').where('action', '=', 'createImage').executeTakeFirst()
  const { image } = JSON.parse(task?.body ?? '{}') as { image: { owner: string; visibility: string } }
  assert.deepEqual([image.owner, image.visibility], ['33333333333333333333333333333333', 'shared'])
})
