/** The password of a guest: shown to who may read the server, cleared by who may change it, and set once until then. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { guestPassword, setGuestPassword } from '../../db/guest-passwords.ts'
import { cloud, server } from '../testing/cloud.ts'

test('a password is shown, cleared, and may be set again then', async (t) => {
  const it = await cloud(t)
  const id = await server(it)
  const path = `/servers/${id}/os-server-password`
  const shown = async (as: 'member' | 'reader' | 'admin') => {
    const { status, body } = await it.call('GET', path, { as })
    return [status, body]
  }
  assert.deepEqual(await shown('member'), [200, { password: '' }])
  const set = await Promise.all(['one', 'two', 'three'].map((password) => setGuestPassword(it.db, id, password)))
  assert.equal(set.filter(Boolean).length, 1)
  const password = await guestPassword(it.db, id)
  for (const as of ['member', 'reader', 'admin'] as const) assert.deepEqual(await shown(as), [200, { password }])

  assert.equal((await it.call('DELETE', path, { as: 'reader' })).status, 403)
  for (const method of ['GET', 'DELETE'] as const)
    assert.equal((await it.call(method, path, { as: 'other' })).status, 404)
  assert.equal(await setGuestPassword(it.db, id, 'again'), false)
  assert.equal((await it.call('DELETE', path)).status, 204)
  assert.equal((await it.call('DELETE', path)).status, 204)
  assert.deepEqual(await shown('member'), [200, { password: '' }])
  assert.equal(await setGuestPassword(it.db, id, 'again'), true)
})

test('a server that is gone has no password and gets none', async (t) => {
  const it = await cloud(t)
  const id = await server(it)
  await it.db.updateTable('servers').set({ deleted_at: 1 }).where('id', '=', id).execute()
  assert.equal(await setGuestPassword(it.db, id, 'late'), false)
  assert.equal((await it.call('GET', `/servers/${id}/os-server-password`)).status, 404)
})
