/** Servers over HTTP: made, listed, shown, changed, deleted. Tasks stay where admission left them: nobody runs them here. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, cloud, imageOf, PROJECT, type Cloud } from '../testing/cloud.ts'

const imageId = ({ images }: Cloud): string => [...images.keys()][0] ?? ''

async function make(it: Cloud, name = 'one', more: object = {}, as = 'member') {
  const answer = await it.call('POST', '/servers', {
    json: { server: { name, flavorRef: '1', imageRef: imageId(it), ...more } },
    as,
  })
  assert.equal(answer.status, 202, JSON.stringify(answer.body))
  return String(at(answer, 'server', 'id'))
}

test('a server is made, shown, listed, renamed and asked to be deleted', async (t) => {
  const it = await cloud(t)
  const id = await make(it)
  const shown = await it.call('GET', `/servers/${id}`)
  assert.equal(shown.status, 200)
  assert.equal(at(shown, 'server', 'status'), 'BUILD')
  assert.equal(at(shown, 'server', 'OS-EXT-STS:task_state'), 'scheduling')
  assert.equal(at(shown, 'server', 'tenant_id'), PROJECT)
  assert.equal(at(shown, 'server', 'OS-EXT-SRV-ATTR:host'), undefined)
  assert.equal(at(await it.call('GET', '/servers'), 'servers', 0, 'id'), id)
  assert.equal(at(await it.call('GET', '/servers/detail'), 'servers', 0, 'name'), 'one')
  assert.equal(
    at(await it.call('PUT', `/servers/${id}`, { json: { server: { name: 'two' } } }), 'server', 'name'),
    'two',
  )
  assert.equal((await it.call('DELETE', `/servers/${id}`)).status, 204)
  assert.equal(at(await it.call('GET', `/servers/${id}`), 'server', 'OS-EXT-STS:task_state'), 'deleting')
})

test('other projects do not see it, administrators do', async (t) => {
  const it = await cloud(t)
  const id = await make(it)
  assert.equal((await it.call('GET', `/servers/${id}`, { as: 'other' })).status, 404)
  assert.deepEqual(at(await it.call('GET', '/servers', { as: 'other' }), 'servers'), [])
  assert.equal((await it.call('GET', '/servers?all_tenants=1')).status, 403)
  assert.equal(at(await it.call('GET', '/servers/detail?all_tenants=1', { as: 'admin' }), 'servers', 0, 'id'), id)
  assert.equal(
    at(await it.call('GET', `/servers/${id}`, { as: 'admin' }), 'server', 'OS-EXT-SRV-ATTR:instance_name'),
    'instance-00000001',
  )
})

test('what is wrong with a request is said in the words clients know, and nothing is made', async (t) => {
  const it = await cloud(t)
  const server = { name: 'one', flavorRef: '1', imageRef: imageId(it) }
  const large = imageOf({ minDiskGb: 5 })
  const queued = imageOf({ status: 'queued' })
  it.images.set(large.id, large).set(queued.id, queued)
  const cases: readonly (readonly [object, number, RegExp])[] = [
    [{ server: { ...server, name: '' } }, 400, /Invalid input for field\/attribute name\. Value: \. '' is too short/],
    [{ server: { ...server, nme: 'x' } }, 400, /Additional properties are not allowed \('nme' was unexpected\)/],
    [{ server: { name: 'one', imageRef: server.imageRef } }, 400, /'flavorRef' is a required property/],
    [{ server: { ...server, flavorRef: '99' } }, 400, /Flavor 99 could not be found/],
    [{ server: { ...server, imageRef: '00000000-0000-0000-0000-000000000000' } }, 400, /Can not find requested image/],
    [{ server: { ...server, imageRef: large.id } }, 400, /Flavor's disk is too small/],
    [{ server: { ...server, imageRef: queued.id } }, 400, /not active/],
    [{ server: { ...server, key_name: 'none' } }, 400, /Invalid key_name provided/],
    [
      { server: { ...server, networks: [{ uuid: '00000000-0000-0000-0000-000000000000' }] } },
      400,
      /Network .* could not be found/,
    ],
    [{ server: { ...server, availability_zone: 'moon' } }, 400, /availability zone is not available/],
    [{ server: { ...server, availability_zone: 'nova:host1' } }, 403, /Policy doesn't allow/],
    [{ server: { ...server, min_count: 3, max_count: 2 } }, 400, /min_count must be <= max_count/],
    [{ server: { ...server, user_data: '%%%' } }, 400, /is not a 'base64'/],
    [{ server: { ...server, security_groups: [{ name: 'nope' }] } }, 400, /security_group/],
    [
      { server: { ...server, min_count: 11 } },
      403,
      /Quota exceeded for instances: Requested 11, but already used 0 of 10 instances/,
    ],
  ]
  for (const [json, status, words] of cases) {
    const answer = await it.call('POST', '/servers', { json })
    assert.equal(answer.status, status, JSON.stringify([json, answer.body]))
    assert.match(JSON.stringify(answer.body), words)
  }
  assert.deepEqual(at(await it.call('GET', '/servers'), 'servers'), [])
})

test('several servers are made at once, numbered, and paged through in order', async (t) => {
  const it = await cloud(t)
  await make(it, 'web', { min_count: 5 })
  const first = await it.call('GET', '/servers?limit=2&sort_key=display_name&sort_dir=asc')
  assert.deepEqual([at(first, 'servers', 0, 'name'), at(first, 'servers', 1, 'name')], ['web-1', 'web-2'])
  const next = new URL(String(at(first, 'servers_links', 0, 'href')))
  const second = await it.call('GET', `${next.pathname}${next.search}`)
  assert.deepEqual([at(second, 'servers', 0, 'name'), at(second, 'servers', 1, 'name')], ['web-3', 'web-4'])
  assert.equal((await it.call('GET', '/servers?marker=00000000-0000-0000-0000-000000000000')).status, 400)
  assert.equal((await it.call('GET', '/servers?sort_key=host')).status, 403, 'where they live is not for everybody')
  assert.equal((await it.call('GET', '/servers?sort_key=host', { as: 'admin' })).status, 200)
})

test('lists are filtered by name, status, flavor, image and time', async (t) => {
  const it = await cloud(t)
  await make(it, 'web1')
  await make(it, 'db1')
  const names = async (query: string, as = 'member') => {
    const answer = await it.call('GET', `/servers?${query}`, { as })
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
    return (at(answer, 'servers') as { name: string }[]).map(({ name }) => name).toSorted()
  }
  assert.deepEqual(await names('name=web'), ['web1'])
  assert.deepEqual(await names('name=^d.*1$'), ['db1'])
  assert.deepEqual(await names('status=BUILD'), ['db1', 'web1'])
  assert.deepEqual(await names('status=ACTIVE'), [])
  assert.deepEqual(await names('flavor=1'), ['db1', 'web1'])
  assert.deepEqual(await names(`image=${imageId(it)}`), ['db1', 'web1'])
  assert.deepEqual(await names('changes-since=2999-01-01T00:00:00Z'), [])
  assert.deepEqual(await names('host=host1'), ['db1', 'web1'], 'users cannot filter by host')
  assert.deepEqual(await names('all_tenants=1&host=host1', 'admin'), [])
  assert.deepEqual(await names(`all_tenants=1&tenant_id=${PROJECT}`, 'admin'), ['db1', 'web1'])
  assert.equal((await it.call('GET', '/servers?name=%5B')).status, 400)
  assert.equal((await it.call('GET', '/servers?unknown=1')).status, 200)
  assert.equal((await it.call('GET', '/servers?unknown=1', { version: '2.75' })).status, 400)
})
