/** Flavors over HTTP: made by administrators, seen by those who may, shown as each version shows them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, cloud, OTHER_PROJECT, type Cloud } from '../testing/cloud.ts'

const admin = { as: 'admin' } as const
const make = (it: Cloud, flavor: object, version = '2.1') =>
  it.call('POST', '/flavors', { ...admin, json: { flavor }, version })
const big = { name: 'big', ram: 1024, vcpus: 2, disk: 10 }
const names = async (it: Cloud, query = '', as = 'member') =>
  (at(await it.call('GET', `/flavors/detail${query}`, { as }), 'flavors') as { name: string }[]).map(({ name }) => name)

test('a flavor is made, shown, listed and deleted; its id may be chosen once', async (t) => {
  const it = await cloud(t)
  const made = await make(it, { ...big, id: 'b1', swap: 512, 'OS-FLV-EXT-DATA:ephemeral': 3 })
  assert.equal(made.status, 200)
  assert.deepEqual(
    [at(made, 'flavor', 'id'), at(made, 'flavor', 'swap'), at(made, 'flavor', 'OS-FLV-EXT-DATA:ephemeral')],
    ['b1', 512, 3],
  )
  assert.equal((await make(it, { ...big, id: 'b1', name: 'other' })).status, 409)
  assert.equal((await make(it, big)).status, 409)
  assert.deepEqual(await names(it), ['m1.tiny', 'big'])
  assert.equal((await it.call('DELETE', '/flavors/b1', admin)).status, 202)
  assert.equal((await it.call('GET', '/flavors/b1')).status, 404)
  assert.equal((await make(it, big, '2.1')).status, 200, 'its name is free again')
})

test('only administrators make flavors, and what is wrong is named', async (t) => {
  const it = await cloud(t)
  assert.equal((await it.call('POST', '/flavors', { json: { flavor: big } })).status, 403)
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ ...big, ram: 0 }, /Invalid input for field\/attribute ram\. Value: 0\. 0 is less than the minimum of 1/],
    [{ ...big, vcpus: 'many' }, /attribute vcpus\. Value: many\. 'many' is not of type 'integer'/],
    [{ ...big, id: 'a/b' }, /attribute id/],
    [{ ...big, colour: 'red' }, /Additional properties are not allowed \('colour' was unexpected\)/],
    [{ ram: 1, vcpus: 1, disk: 1 }, /'name' is a required property/],
  ]
  for (const [flavor, words] of cases) {
    const answer = await make(it, flavor)
    assert.equal(answer.status, 400)
    assert.match(String(at(answer, 'badRequest', 'message')), words)
  }
})

test('a private flavor is there for its projects only', async (t) => {
  const it = await cloud(t)
  await make(it, { ...big, id: 'p', 'os-flavor-access:is_public': false })
  assert.deepEqual(await names(it), ['m1.tiny'])
  assert.deepEqual(await names(it, '', 'admin'), ['m1.tiny'], 'who made it has no access by that')
  assert.deepEqual(at(await it.call('GET', '/flavors/p/os-flavor-access', admin), 'flavor_access'), [])
  assert.deepEqual(await names(it, '?is_public=None', 'admin'), ['m1.tiny', 'big'])
  assert.deepEqual(await names(it, '?is_public=False', 'admin'), ['big'])
  assert.equal((await it.call('GET', '/flavors/p', { as: 'other' })).status, 404)
  const access = (action: object) => it.call('POST', '/flavors/p/action', { ...admin, json: action })
  assert.equal((await access({ addTenantAccess: { tenant: OTHER_PROJECT } })).status, 200)
  assert.equal((await access({ addTenantAccess: { tenant: OTHER_PROJECT } })).status, 409)
  assert.equal((await it.call('GET', '/flavors/p', { as: 'other' })).status, 200)
  assert.equal((await access({ removeTenantAccess: { tenant: OTHER_PROJECT } })).status, 200)
  assert.equal((await access({ removeTenantAccess: { tenant: OTHER_PROJECT } })).status, 404)
  assert.equal((await it.call('GET', '/flavors/1/os-flavor-access', admin)).status, 404)
})

test('what a flavor shows depends on the version', async (t) => {
  const it = await cloud(t)
  const keys = async (version: string) =>
    Object.keys(at(await it.call('GET', '/flavors/1', { version }), 'flavor') as object)
  const has = async (version: string) => {
    const all = await keys(version)
    return ['description', 'extra_specs', 'rxtx_factor', 'OS-FLV-DISABLED:disabled'].filter((key) => all.includes(key))
  }
  assert.deepEqual(await has('2.1'), ['rxtx_factor', 'OS-FLV-DISABLED:disabled'])
  assert.deepEqual(await has('2.55'), ['description', 'rxtx_factor', 'OS-FLV-DISABLED:disabled'])
  assert.deepEqual(await has('2.61'), ['description', 'extra_specs', 'rxtx_factor', 'OS-FLV-DISABLED:disabled'])
  assert.deepEqual(await has('2.102'), ['description', 'extra_specs'])
  assert.equal(at(await it.call('GET', '/flavors/1'), 'flavor', 'swap'), '')
  assert.equal(at(await it.call('GET', '/flavors/1', { version: '2.75' }), 'flavor', 'swap'), 0)
})

test('lists are paged, filtered and sorted', async (t) => {
  const it = await cloud(t)
  await make(it, { ...big, id: '2' })
  await make(it, { ...big, id: '3', name: 'small', ram: 128, disk: 0 })
  assert.deepEqual(await names(it, '?minRam=600'), ['big'])
  assert.deepEqual(await names(it, '?sort_key=memory_mb&sort_dir=desc'), ['big', 'm1.tiny', 'small'])
  const first = await it.call('GET', '/flavors?limit=2')
  assert.match(String(at(first, 'flavors_links', 0, 'href')), /marker=2/)
  assert.deepEqual(await names(it, '?limit=2&marker=2'), ['small'])
  assert.equal((await it.call('GET', '/flavors?marker=99')).status, 400)
  assert.equal((await it.call('GET', '/flavors?minRam=x')).status, 400)
  assert.equal((await it.call('GET', '/flavors?sort_key=x')).status, 400)
})

test('extra specs are set, read, changed and taken away', async (t) => {
  const it = await cloud(t)
  const path = '/flavors/1/os-extra_specs'
  assert.deepEqual(
    (await it.call('POST', path, { ...admin, json: { extra_specs: { 'hw:cpu_policy': 'shared', a: 1 } } })).body,
    { extra_specs: { 'hw:cpu_policy': 'shared', a: '1' } },
  )
  assert.deepEqual((await it.call('GET', path)).body, { extra_specs: { 'hw:cpu_policy': 'shared', a: '1' } })
  assert.deepEqual((await it.call('PUT', `${path}/a`, { ...admin, json: { a: '2' } })).body, { a: '2' })
  assert.equal((await it.call('PUT', `${path}/a`, { ...admin, json: { b: '2' } })).status, 400)
  assert.deepEqual((await it.call('GET', `${path}/a`)).body, { a: '2' })
  assert.equal((await it.call('DELETE', `${path}/a`, admin)).status, 200)
  assert.equal((await it.call('DELETE', `${path}/a`, admin)).status, 404)
  assert.equal((await it.call('POST', path, { json: { extra_specs: {} } })).status, 403)
})

test('flavors are found by name from 2.102', async (t) => {
  const it = await cloud(t)
  await make(it, { ...big, id: 'b' })
  const found = await it.call('GET', '/flavors?name=^b', { version: '2.102' })
  assert.deepEqual(
    (at(found, 'flavors') as { name: string }[]).map(({ name }) => name),
    ['big'],
  )
  assert.equal((await it.call('GET', '/flavors?name=[', { version: '2.102' })).status, 400)
  assert.equal((await it.call('GET', `/flavors?name=${'a'.repeat(300)}`, { version: '2.102' })).status, 400)
  assert.equal((await it.call('GET', '/flavors?name=^b', { version: '2.101' })).status, 400)
})
