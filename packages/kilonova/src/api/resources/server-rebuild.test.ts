/** Rebuild, rescue, shelve and unshelve over HTTP: what they name is looked up first, and the answer tells what only the caller learns. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keepReport } from '../../db/hosts.ts'
import { at, cloud, imageOf, reportOf, server, settled, type Cloud } from '../testing/cloud.ts'

const act = (it: Cloud, id: string, json: unknown, version = '2.90', as = 'member') =>
  it.call('POST', `/servers/${id}/action`, { json, version, as })
async function standing(it: Cloud, values: object = { locked: 0 }): Promise<string> {
  const id = await server(it, { metadata: { a: '1' } })
  await settled(it, id)
  await it.db.updateTable('servers').set(values).where('id', '=', id).execute()
  return id
}
const ADDRESS = { network: 'n', address: '10.0.0.3', version: 4, mac: 'fa:16:3e:00:00:01', portId: 'p' }
const bodyOf = async (it: Cloud, action: string): Promise<Record<string, unknown>> => {
  const tasks = it.db.selectFrom('tasks').select('body').where('action', '=', action)
  return JSON.parse((await tasks.where('finished_at', 'is', null).executeTakeFirst())?.body ?? '{}') as never
}

test('a rebuild answers the server as it will be, and a password', async (t) => {
  const it = await cloud(t)
  const id = await standing(it)
  const other = imageOf({ name: 'other' })
  it.images.set(other.id, other)
  const json = {
    imageRef: other.id,
    name: 'new',
    metadata: { b: '2' },
    accessIPv4: '1.2.3.4',
    accessIPv6: '0:0::Babe:220.12.22.2',
    description: 'text',
  }
  const answer = await act(it, id, { rebuild: json })
  assert.equal(answer.status, 202, JSON.stringify(answer.body))
  const seen = at(answer, 'server') as Record<string, unknown>
  assert.deepEqual(
    [seen['id'], seen['name'], seen['status'], seen['metadata'], seen['accessIPv4'], seen['description']],
    [id, 'new', 'REBUILD', { b: '2' }, '1.2.3.4', 'text'],
  )
  assert.equal(seen['accessIPv6'], '::babe:dc0c:1602', 'in its shortest form')
  assert.equal(at(answer, 'server', 'image', 'id'), other.id)
  assert.match(String(seen['adminPass']), /^\w{12}$/)
  assert.match(String(answer.headers['location']), new RegExp(`/servers/${id}$`))
  assert.equal((await bodyOf(it, 'rebuild'))['otherImage'], true)
  // Until the old disk is aside, the record is the old one's.
  assert.equal(at(await it.call('GET', `/servers/${id}`), 'server', 'name'), 'one')
})

test('before 2.75 a rebuild answers less, and what its version brought', async (t) => {
  const it = await cloud(t)
  const id = await standing(it, { addresses: JSON.stringify([ADDRESS]) })
  const imageRef = [...it.images.keys()][0]
  const keys = async (version: string) => {
    const answer = await act(it, id, { rebuild: { imageRef, adminPass: 'secret' } }, version)
    await settled(it, id)
    assert.equal(at(answer, 'server', 'adminPass'), 'secret')
    const [address] = Object.values(at(answer, 'server', 'addresses') as Record<string, object[]>).flat()
    assert.equal('OS-EXT-IPS:type' in (address ?? {}), version === '2.75')
    return ['key_name', 'user_data', 'OS-EXT-STS:vm_state'].map((key) => key in (at(answer, 'server') as object))
  }
  assert.deepEqual(await keys('2.53'), [false, false, false])
  assert.deepEqual(await keys('2.54'), [true, false, false])
  assert.deepEqual(await keys('2.57'), [true, true, false])
  assert.deepEqual(await keys('2.75'), [true, true, true])
  const seen = at(await act(it, id, { rebuild: { imageRef } }, '2.75', 'admin'), 'server') as object
  assert.ok('OS-EXT-SRV-ATTR:host' in seen && !('OS-EXT-SRV-ATTR:user_data' in seen), 'the user-data is told once')
})

test('a rebuild that cannot be is refused in words', async (t) => {
  const it = await cloud(t)
  const id = await standing(it)
  const [queued, large] = [imageOf({ status: 'queued' }), imageOf({ minDiskGb: 2 })]
  for (const image of [queued, large]) it.images.set(image.id, image)
  const imageRef = [...it.images.keys()][0]
  for (const [json, words] of [
    [{}, /'imageRef' is a required property/],
    [{ imageRef: 'x' }, /imageRef/],
    [{ imageRef: '00000000-0000-4000-8000-000000000000' }, /Cannot find image for rebuild/],
    [{ imageRef: queued.id }, /is not active/],
    [{ imageRef: large.id }, /Flavor's disk is too small/],
    [{ imageRef, key_name: 'none' }, /Invalid key_name/],
    [{ imageRef, preserve_ephemeral: true }, /preserving ephemeral partitions/],
    [{ imageRef, trusted_image_certificates: ['x'] }, /not supported/],
    [{ imageRef, user_data: 'ä' }, /base64/],
    [{ imageRef, more: 1 }, /more/],
  ] as const) {
    const answer = await act(it, id, { rebuild: json })
    assert.equal(answer.status, 400, JSON.stringify(json))
    assert.match(JSON.stringify(answer.body), words)
  }
  const shelved = await standing(it, { vm_state: 'shelved' })
  assert.equal((await act(it, shelved, { rebuild: { imageRef } })).status, 409)
})

test('a rescue shows its password; its image is the one asked for, the configured one, or the own one', async (t) => {
  const it = await cloud(t)
  const id = await standing(it)
  const given = imageOf({ properties: { hw_rescue_bus: 'scsi' } })
  it.images.set(given.id, given)
  const [own] = it.images.keys()
  for (const [json, image, password] of [
    [null, own, /^\w{12}$/],
    [{ adminPass: 'secret' }, own, /^secret$/],
    [{ rescue_image_ref: given.id }, given.id, /^\w{12}$/],
  ] as const) {
    const answer = await act(it, id, { rescue: json })
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
    assert.match(String(at(answer, 'adminPass')), password)
    assert.deepEqual((await bodyOf(it, 'rescue'))['image'], {
      id: image,
      properties: image === given.id ? given.properties : {},
    })
    await settled(it, id)
  }
  const missing = { rescue: { rescue_image_ref: '00000000-0000-4000-8000-000000000000' } }
  assert.equal((await act(it, id, missing)).status, 400)
  assert.equal((await act(it, id, { rescue: { more: 1 } })).status, 400)
  assert.equal((await act(it, id, { unrescue: null })).status, 409)
})

test('a shelved server leaves its host at once, later or never, as configured', async (t) => {
  for (const [time, action] of [
    [0, 'shelveAndOffload'],
    [60, 'shelve'],
    [-1, 'shelve'],
  ] as const) {
    const it = await cloud(t, { DEFAULT: { shelved_offload_time: time } })
    const id = await standing(it)
    assert.equal((await act(it, id, { shelve: null })).status, 202)
    const task = await it.db.selectFrom('tasks').select('action').where('finished_at', 'is', null).executeTakeFirst()
    assert.equal(task?.action, action)
    const shown = await it.call('GET', `/servers/${id}/os-instance-actions`)
    assert.equal(at(shown, 'instanceActions', 0, 'action'), 'shelve')
  }
})

test('where a server comes back may be said of one that was offloaded, within its zone', async (t) => {
  const it = await cloud(t)
  await keepReport(it.db, reportOf('host2'), 'west', it.clock.now())
  const id = await standing(it, { vm_state: 'shelved_offloaded', host: null, pinned_zone: 'nova' })
  const unshelve = (value: unknown, as = 'member') => act(it, id, { unshelve: value }, '2.91', as)
  for (const [value, as, status, words] of [
    [{ availability_zone: 'nowhere' }, 'member', 400, /not available: nowhere/],
    [{ host: 'host1' }, 'member', 403, /unshelve_to_host/],
    [{ host: 'nobody' }, 'admin', 400, /nobody could not be found/],
    [{ host: 'host2' }, 'admin', 409, /not in the availability zone/],
    [{ more: 1 }, 'member', 400, /more/],
  ] as const) {
    const answer = await unshelve(value, as)
    assert.equal(answer.status, status, JSON.stringify([value, answer.body]))
    assert.match(JSON.stringify(answer.body), words)
  }
  for (const [value, expected] of [
    [null, { zone: 'nova', onlyHost: null, pinnedZone: 'nova' }],
    [{ availability_zone: 'west' }, { zone: 'west', onlyHost: null, pinnedZone: 'west' }],
    [{ availability_zone: null }, { zone: null, onlyHost: null, pinnedZone: null }],
    [
      { availability_zone: 'west', host: 'host2' },
      { zone: 'west', onlyHost: 'host2', pinnedZone: 'west' },
    ],
  ] as const) {
    assert.equal((await unshelve(value, 'admin')).status, 202)
    assert.deepEqual(await bodyOf(it, 'unshelve'), expected)
    await settled(it, id)
    await it.db.updateTable('servers').set({ vm_state: 'shelved_offloaded', host: null }).where('id', '=', id).execute()
  }
  const here = await standing(it, { vm_state: 'shelved' })
  const answer = await act(it, here, { unshelve: { availability_zone: 'nova' } }, '2.91')
  assert.equal(answer.status, 409)
  assert.match(JSON.stringify(answer.body), /must be SHELVED_OFFLOADED/)
  assert.equal((await act(it, here, { unshelve: null })).status, 202)
})
