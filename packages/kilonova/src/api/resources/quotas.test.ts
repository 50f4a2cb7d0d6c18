/** Quotas over HTTP: set for a project, for one of its users, for all; by version; and kept, whoever asks at once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, cloud, OTHER_PROJECT, PROJECT, server, type Cloud } from '../testing/cloud.ts'

const admin = { as: 'admin' } as const
const sets = `/os-quota-sets/${PROJECT}`
const put = (it: Cloud, quota_set: object, path = sets, version = '2.1') =>
  it.call('PUT', path, { ...admin, version, json: { quota_set } })
const create = (it: Cloud, as = 'member') =>
  it.call('POST', '/servers', {
    as,
    json: { server: { name: 'n', flavorRef: '1', imageRef: [...it.images.keys()][0] } },
  })

test('a project’s limits are shown as each version names them', async (t) => {
  const it = await cloud(t)
  const all = {
    cores: 20,
    fixed_ips: -1,
    floating_ips: -1,
    injected_file_content_bytes: 10_240,
    injected_file_path_bytes: 255,
    injected_files: 5,
    instances: 10,
    key_pairs: 100,
    metadata_items: 128,
    ram: 51_200,
    security_group_rules: -1,
    security_groups: -1,
    server_group_members: 10,
    server_groups: 10,
  }
  const names = (version: string, path = sets, as = 'member') =>
    it
      .call('GET', path, { version, as })
      .then((answer) => Object.keys(at(answer, path.includes('class') ? 'quota_class_set' : 'quota_set') as object))
  assert.deepEqual(at(await it.call('GET', sets, { version: '2.35' }), 'quota_set'), { id: PROJECT, ...all })
  const noAddresses = Object.keys(all).filter((name) => !/_ips|^security/.test(name))
  const last = noAddresses.filter((name) => !name.startsWith('injected'))
  for (const path of [sets, `${sets}/detail`, `${sets}/defaults`]) {
    assert.deepEqual((await names('2.36', path)).toSorted(), ['id', ...noAddresses].toSorted(), path)
    assert.deepEqual((await names('2.57', path)).toSorted(), ['id', ...last].toSorted(), path)
  }
  const ofClass = '/os-quota-class-sets/default'
  const noGroups = Object.keys(all).filter((name) => !name.startsWith('server_group'))
  assert.deepEqual((await names('2.49', ofClass, 'admin')).toSorted(), ['id', ...noGroups].toSorted())
  assert.deepEqual((await names('2.50', ofClass, 'admin')).toSorted(), ['id', ...noAddresses].toSorted())
  assert.deepEqual((await names('2.57', ofClass, 'admin')).toSorted(), ['id', ...last].toSorted())
})

test('what is set holds, is shown without the project, and is forgotten', async (t) => {
  const it = await cloud(t)
  const set = await put(it, { instances: '1', cores: -1 })
  assert.deepEqual([set.status, at(set, 'quota_set', 'id'), at(set, 'quota_set', 'instances')], [200, undefined, 1])
  await server(it)
  const over = await create(it)
  assert.deepEqual(
    [over.status, at(over, 'forbidden', 'message')],
    [403, 'Quota exceeded for instances: Requested 1, but already used 1 of 1 instances'],
  )
  const detail = await it.call('GET', `${sets}/detail`)
  assert.deepEqual(at(detail, 'quota_set', 'instances'), { in_use: 1, limit: 1, reserved: 0 })
  assert.deepEqual(at(detail, 'quota_set', 'ram'), { in_use: 512, limit: 51_200, reserved: 0 })
  assert.equal(at(await it.call('GET', `${sets}/defaults`), 'quota_set', 'instances'), 10)
  assert.equal(at(await it.call('GET', '/limits'), 'limits', 'absolute', 'maxTotalInstances'), 1)
  assert.equal((await it.call('DELETE', sets, admin)).status, 202)
  assert.equal((await create(it)).status, 202)
})

test('less than what is used is refused unless forced', async (t) => {
  const it = await cloud(t)
  await server(it)
  await server(it)
  const refused = await put(it, { ram: 2_000, instances: 1 })
  assert.deepEqual(
    [refused.status, at(refused, 'badRequest', 'message')],
    [400, 'Quota limit 1 for instances must be greater than or equal to already used and reserved 2.'],
  )
  assert.equal(at(await it.call('GET', sets), 'quota_set', 'ram'), 51_200, 'all or none')
  assert.equal((await put(it, { instances: 1, force: 'True' })).status, 200)
  assert.equal((await create(it)).status, 403)
})

test('a user of a project may have limits of their own, within what the project has', async (t) => {
  const it = await cloud(t)
  it.identities.set('friend', { ...(it.identities.get('member') as object), userId: 'carol' } as never)
  const ofAlice = `${sets}?user_id=alice`
  const over = await put(it, { instances: 11 }, ofAlice)
  assert.deepEqual(
    [over.status, at(over, 'badRequest', 'message')],
    [400, 'Quota limit 11 for instances must be less than or equal to 10.'],
  )
  assert.equal(at(await put(it, { instances: 1, server_groups: 0 }, ofAlice), 'quota_set', 'instances'), 1)
  assert.equal((await put(it, { instances: 10 }, `${sets}?user_id=carol`)).status, 400, '9 are left')
  await server(it)
  assert.equal((await create(it)).status, 403)
  assert.equal((await create(it, 'friend')).status, 202)
  const group = { json: { server_group: { name: 'g', policies: ['affinity'] } } }
  assert.equal((await it.call('POST', '/os-server-groups', group)).status, 403)
  assert.equal((await it.call('POST', '/os-server-groups', { ...group, as: 'friend' })).status, 200)
  const used = async (path: string) => at(await it.call('GET', path), 'quota_set', 'instances', 'in_use')
  assert.deepEqual([await used(`${sets}/detail`), await used(`${sets}/detail?user_id=alice`)], [2, 1])
  await it.call('DELETE', ofAlice, admin)
  assert.equal(at(await it.call('GET', ofAlice), 'quota_set', 'instances'), 10)
})

test('the class called default holds for all projects that have nothing nearer', async (t) => {
  const it = await cloud(t)
  const path = '/os-quota-class-sets/default'
  const json = { quota_class_set: { instances: 0, key_pairs: 0 } }
  const set = await it.call('PUT', path, { ...admin, json })
  assert.deepEqual(
    [set.status, at(set, 'quota_class_set', 'id'), at(set, 'quota_class_set', 'instances')],
    [200, undefined, 0],
  )
  assert.equal(at(await it.call('GET', path, admin), 'quota_class_set', 'id'), 'default')
  assert.equal((await create(it)).status, 403)
  assert.equal((await it.call('POST', '/os-keypairs', { json: { keypair: { name: 'k' } } })).status, 403)
  assert.equal(at(await it.call('GET', `${sets}/defaults`), 'quota_set', 'instances'), 0)
  await put(it, { instances: 1 })
  assert.equal((await create(it)).status, 202)
  assert.equal(at(await it.call('GET', '/os-quota-class-sets/gold', admin), 'quota_class_set', 'instances'), 10)
})

test('metadata and files keep to what was set', async (t) => {
  const it = await cloud(t)
  await put(it, { metadata_items: 1, injected_files: 0 })
  const image = [...it.images.keys()][0]
  const with_ = (more: object) =>
    it.call('POST', '/servers', { json: { server: { name: 'n', flavorRef: '1', imageRef: image, ...more } } })
  assert.equal((await with_({ metadata: { a: '1', b: '2' } })).status, 403)
  assert.equal((await with_({ personality: [{ path: '/f', contents: 'YQ==' }] })).status, 403)
  assert.equal((await with_({ metadata: { a: '1' } })).status, 202)
})

test('bad limits, unknown names and unknown projects are refused', async (t) => {
  const it = await cloud(t)
  for (const [quota_set, version] of [
    [{ instances: -2 }, '2.1'],
    [{ instances: 'many' }, '2.1'],
    [{ instances: 2 ** 31 }, '2.1'],
    [{ instances: null }, '2.1'],
    [{ networks: 1 }, '2.1'],
    [{ floating_ips: 1 }, '2.36'],
    [{ injected_files: 1 }, '2.57'],
    [{ force: 'perhaps' }, '2.1'],
  ] as const)
    assert.equal((await put(it, quota_set, sets, version)).status, 400, JSON.stringify(quota_set))
  assert.equal((await put(it, { floating_ips: 1 }, sets, '2.35')).status, 200)
  const unknown = await it.call('GET', '/os-quota-sets/none', admin)
  assert.deepEqual(
    [unknown.status, at(unknown, 'badRequest', 'message')],
    [400, 'Project ID none is not a valid project.'],
  )
  assert.equal((await put(it, { instances: 1 }, '/os-quota-sets/none')).status, 400)
  assert.equal((await it.call('GET', `${sets}?unknown=1`, { version: '2.74' })).status, 200)
  assert.equal((await it.call('GET', `${sets}?unknown=1`, { version: '2.75' })).status, 400)
  assert.equal((await it.call('GET', `/os-quota-sets/${OTHER_PROJECT}`)).status, 403)
  assert.equal((await it.call('PUT', sets, { json: { quota_set: { instances: 1 } } })).status, 403)
})

test('of fifty creates at once none goes over a limit that is lowered meanwhile', async (t) => {
  const it = await cloud(t, { quota: { instances: 40, cores: -1, ram: -1 } })
  const answers = Promise.all(Array.from({ length: 50 }, () => create(it)))
  const lowered = await put(it, { instances: 20 })
  const made = (await answers).filter(({ status }) => status === 202).length
  // Either the limit came before the twenty-first server, or it was refused because they were there.
  assert.equal(made, lowered.status === 200 ? 20 : 40)
  assert.ok((await answers).every(({ status }) => status === 202 || status === 403))
  assert.deepEqual(at(await it.call('GET', `${sets}/detail`), 'quota_set', 'instances'), {
    in_use: made,
    limit: made,
    reserved: 0,
  })
})
