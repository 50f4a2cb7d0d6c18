/** Create over HTTP: flavors and images that contradict each other, and the empty disks of a server. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { insertFlavor } from '../../db/flavors.ts'
import { findServer } from '../../db/servers.ts'
import { at, cloud, flavorOf, imageOf, type Cloud } from '../testing/cloud.ts'

const create = (it: Cloud, more: object = {}) =>
  it.call('POST', '/servers', {
    json: { server: { name: 'one', flavorRef: '1', imageRef: [...it.images.keys()][0], ...more } },
  })
const said = ({ status, body }: Awaited<ReturnType<typeof create>>): string => `${status} ${JSON.stringify(body)}`

test('what an image says of hardware must be a value that there is', async (t) => {
  const it = await cloud(t)
  const image = imageOf({ properties: { hw_vif_model: 'pigeon' } })
  it.images.set(image.id, image)
  assert.match(
    said(await create(it, { imageRef: image.id })),
    /^400 .*Invalid image metadata. Error: Field value pigeon is invalid/,
  )
})

test('a flavor and an image that contradict each other make no server, and no other image makes it one by a rebuild', async (t) => {
  const it = await cloud(t)
  await insertFlavor(it.db, flavorOf({ id: '2', name: 'pmu', extraSpecs: { 'hw:pmu': 'true' } }), it.clock.now())
  const image = imageOf({ properties: { hw_pmu: 'false' } })
  it.images.set(image.id, image)
  const why = /^400 .*Conflicting values for pmu found in the flavor \(true\) and the image \(false\)\./
  assert.match(said(await create(it, { imageRef: image.id, flavorRef: '2' })), why)
  const answer = await create(it, { flavorRef: '2' })
  assert.equal(answer.status, 202)
  const id = String(at(answer, 'server', 'id'))
  await it.db
    .updateTable('servers')
    .set({ vm_state: 'active', task_id: null, task_state: null, host: 'host1' })
    .where('id', '=', id)
    .execute()
  assert.match(said(await it.call('POST', `/servers/${id}/action`, { json: { rebuild: { imageRef: image.id } } })), why)
})

test('a quota of network cards that means nothing makes no server', async (t) => {
  const it = await cloud(t)
  for (const [name, value, why] of [
    ['quota:vif_inbound_average', 'fast', /^400 .*Invalid value 'fast' of quota:vif_inbound_average/],
    ['quota:vif_outbound_average', '-1', /^400 .*Invalid value '-1' of quota:vif_outbound_average/],
    ['quota:vif_outbound_burst', '1', /^400 .*quota:vif_outbound_average is missing/],
  ] as const) {
    const [id, made] = [`f-${name}`, it.clock.now()]
    await insertFlavor(it.db, flavorOf({ id, name, extraSpecs: { [name]: value } }), made)
    assert.match(said(await create(it, { flavorRef: id })), why)
  }
  const extraSpecs = { 'quota:vif_inbound_average': '1000' }
  await insertFlavor(it.db, flavorOf({ id: 'slow', name: 'slow', extraSpecs }), it.clock.now())
  assert.equal((await create(it, { flavorRef: 'slow' })).status, 202)
})

const blank = (more: object = {}) => ({ source_type: 'blank', destination_type: 'local', boot_index: -1, ...more })

test('ephemeral and swap disks are divided as asked, within what the flavor has', async (t) => {
  const it = await cloud(t)
  await insertFlavor(it.db, flavorOf({ id: '2', name: 'wide', ephemeralGb: 4, swapMb: 512 }), it.clock.now())
  const disksOf = async (devices: readonly object[]) => {
    const answer = await create(it, { flavorRef: '2', block_device_mapping_v2: devices })
    assert.equal(answer.status, 202, said(answer))
    return (await findServer(it.db, String(at(answer, 'server', 'id'))))?.localDisks
  }
  assert.equal(await disksOf([]), null, 'as the flavor says')
  assert.deepEqual(await disksOf([blank({ volume_size: 1 })]), { ephemeralsGb: [1], swapMb: 512 })
  assert.deepEqual(await disksOf([blank()]), { ephemeralsGb: [4], swapMb: 512 })
  assert.deepEqual(await disksOf([blank({ guest_format: 'swap', volume_size: 128 })]), {
    ephemeralsGb: [4],
    swapMb: 128,
  })

  const why = async (devices: readonly object[]) =>
    said(await create(it, { flavorRef: '2', block_device_mapping_v2: devices }))
  assert.match(
    await why([blank({ volume_size: 3 }), blank({ volume_size: 3 })]),
    /^400 .*Ephemeral disks requested are larger/,
  )
  assert.match(await why([blank({ guest_format: 'swap', volume_size: 1024 })]), /^400 .*Swap drive requested is larger/)
  const swap = blank({ guest_format: 'swap', volume_size: 1 })
  assert.match(await why([swap, swap]), /^400 .*More than one swap drive requested/)
  assert.match(
    await why([blank({ volume_size: 1 }), blank({ volume_size: 1 }), swap]),
    /^400 .*more local devices than/,
  )
  assert.match(await why([blank({ boot_index: 0 })]), /^400 .*Boot sequence/)
  assert.match(await why([blank({ destination_type: 'volume', volume_size: 1 })]), /^400 .*volumes are not supported/)
})

test('a flavor without such disks has none to divide', async (t) => {
  const it = await cloud(t)
  assert.match(
    said(await create(it, { block_device_mapping_v2: [blank({ volume_size: 1 })] })),
    /^400 .*Ephemeral disks/,
  )
})
