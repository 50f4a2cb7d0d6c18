/** Server groups over HTTP: made, listed, shown, deleted, joined; limits and versions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, cloud, server, type Cloud } from '../testing/cloud.ts'

const path = '/os-server-groups'
async function group(it: Cloud, more: object = {}, as = 'member'): Promise<string> {
  const json = { server_group: { name: 'g', policy: 'anti-affinity', ...more } }
  const answer = await it.call('POST', path, { version: '2.64', json, as })
  assert.equal(answer.status, 200, JSON.stringify(answer.body))
  return String(at(answer, 'server_group', 'id'))
}
const member = (it: Cloud, id: string, more: object = {}, as = 'member') =>
  it.call('POST', '/servers', {
    as,
    json: {
      server: { name: 'one', flavorRef: '1', imageRef: [...it.images.keys()][0], ...more },
      'os:scheduler_hints': { group: id },
    },
  })

test('a group is shown as each version has it', async (t) => {
  const it = await cloud(t)
  const id = await group(it, { rules: { max_server_per_host: '3' } })
  const keys = async (version: string) =>
    Object.keys(at(await it.call('GET', `${path}/${id}`, { version }), 'server_group') as object).toSorted()
  const first = ['id', 'members', 'metadata', 'name', 'policies']
  assert.deepEqual(await keys('2.1'), first)
  assert.deepEqual(await keys('2.13'), [...first, 'project_id', 'user_id'])
  assert.deepEqual(await keys('2.64'), ['id', 'members', 'name', 'policy', 'project_id', 'rules', 'user_id'])
  const shown = at(await it.call('GET', `${path}/${id}`, { version: '2.64' }), 'server_group', 'rules')
  assert.deepEqual(shown, { max_server_per_host: 3 })
})

test('policies and rules are those of the version', async (t) => {
  const it = await cloud(t)
  const status = async (version: string, body: object) =>
    (await it.call('POST', path, { version, json: { server_group: { name: 'g', ...body } } })).status
  assert.deepEqual(
    [
      await status('2.1', { policies: ['affinity'] }),
      await status('2.14', { policies: ['soft-affinity'] }),
      await status('2.15', { policies: ['soft-affinity'] }),
      await status('2.15', { policies: [] }),
      await status('2.15', { policies: ['affinity', 'anti-affinity'] }),
      await status('2.64', { policies: ['affinity'] }),
      await status('2.64', { policy: 'affinity' }),
      await status('2.64', { policy: 'affinity', rules: { max_server_per_host: 2 } }),
      await status('2.64', { policy: 'anti-affinity', rules: { max_server_per_host: 0 } }),
      await status('2.64', { policy: 'anti-affinity', rules: { other: 1 } }),
    ],
    [200, 400, 200, 400, 400, 400, 200, 400, 400, 400],
  )
})

test('servers join at creation, are told, and live on without the group', async (t) => {
  const it = await cloud(t)
  const id = await group(it)
  const made = String(at(await member(it, id), 'server', 'id'))
  await server(it)
  const members = async () => at(await it.call('GET', `${path}/${id}`), 'server_group', 'members')
  assert.deepEqual(await members(), [made])
  const groups = async () =>
    at(await it.call('GET', `/servers/${made}`, { version: '2.71' }), 'server', 'server_groups')
  assert.deepEqual(await groups(), [id])
  assert.equal((await it.call('DELETE', `${path}/${id}`)).status, 204)
  assert.equal((await it.call('GET', `${path}/${id}`)).status, 404)
  assert.deepEqual(await groups(), [])
  assert.equal((await member(it, id)).status, 400)
})

test('a deleted server is no member', async (t) => {
  const it = await cloud(t)
  const id = await group(it)
  const made = String(at(await member(it, id), 'server', 'id'))
  await it.db.updateTable('servers').set({ deleted_at: 1 }).where('id', '=', made).execute()
  assert.deepEqual(at(await it.call('GET', `${path}/${id}`), 'server_group', 'members'), [])
})

test('quotas hold for groups of a project and for servers of a group', async (t) => {
  const it = await cloud(t, { quota: { server_groups: 2, server_group_members: 2 } })
  const id = await group(it)
  await group(it)
  const third = await it.call('POST', path, { json: { server_group: { name: 'g', policies: ['affinity'] } } })
  assert.deepEqual([third.status, at(third, 'forbidden', 'message')], [403, 'Quota exceeded, too many server groups.'])
  assert.equal(at(await it.call('GET', '/limits'), 'limits', 'absolute', 'totalServerGroupsUsed'), 2)
  assert.equal((await member(it, id, { min_count: 3 })).status, 403)
  assert.equal((await member(it, id, { min_count: 2 })).status, 202)
  const more = await member(it, id)
  assert.deepEqual([more.status, at(more, 'forbidden', 'message')], [403, 'Quota exceeded, too many servers in group'])
})

test('a project sees its own groups, an administrator all when asked; pages are by limit and offset', async (t) => {
  const it = await cloud(t)
  const [mine, second, theirs] = [await group(it), await group(it), await group(it, {}, 'other')]
  const ids = async (query: string, as = 'member') =>
    (at(await it.call('GET', `${path}${query}`, { as }), 'server_groups') as { id: string }[]).map(({ id }) => id)
  assert.deepEqual(await ids(''), [mine, second])
  assert.deepEqual(await ids('?all_projects=1'), [mine, second])
  assert.deepEqual(await ids('?all_projects', 'admin'), [mine, second, theirs])
  assert.deepEqual(await ids('', 'admin'), [])
  assert.deepEqual(await ids('?limit=1&offset=1'), [second])
  assert.equal((await it.call('GET', `${path}?limit=-1`)).status, 400)
  assert.equal((await it.call('GET', `${path}/${theirs}`)).status, 404)
  assert.equal((await it.call('DELETE', `${path}/${theirs}`)).status, 404)
  assert.equal((await member(it, theirs)).status, 400)
  assert.equal((await it.call('DELETE', `${path}/${mine}`, { as: 'reader' })).status, 403)
})
