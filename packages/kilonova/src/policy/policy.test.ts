/** Who may what: by role in the project that owns the target. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { policy, type Subject } from './policy.ts'

const as = (...roles: string[]): Subject => ({
  userId: 'u',
  projectId: 'p',
  roles: new Set(roles),
  isAdmin: roles.includes('admin'),
})
const own = { projectId: 'p' }
const foreign = { projectId: 'q' }

test('readers look, members change, and only in their own project', () => {
  const { allows } = policy()
  assert.equal(allows('os_compute_api:servers:show', as('reader'), own), true)
  assert.equal(allows('os_compute_api:servers:show', as('reader'), foreign), false)
  assert.equal(allows('os_compute_api:servers:delete', as('reader'), own), false)
  assert.equal(allows('os_compute_api:servers:delete', as('member'), own), true)
  assert.equal(allows('os_compute_api:servers:delete', as('manager'), own), true)
  assert.equal(allows('os_compute_api:servers:delete', as('admin'), foreign), true)
  assert.equal(allows('os_compute_api:servers:show', as(), own), false)
})

test('key pairs are their user’s, events are for services, an unknown rule is for administrators', () => {
  const { allows, check } = policy()
  assert.equal(allows('os_compute_api:os-keypairs:show', as('reader'), { userId: 'u' }), true)
  assert.equal(allows('os_compute_api:os-keypairs:show', as('member'), { userId: 'v' }), false)
  assert.equal(allows('os_compute_api:os-server-external-events:create', as('member')), false)
  assert.equal(allows('os_compute_api:os-server-external-events:create', as('service')), true)
  assert.equal(allows('no:such:rule', as('member')), false)
  assert.throws(() => check('os_compute_api:os-hypervisors:list', as('member')), {
    name: 'Forbidden',
    message: /os_compute_api:os-hypervisors:list/,
  })
})

test('an operator’s override wins, also against administrators', () => {
  const { allows } = policy({
    'os_compute_api:os-hypervisors:list': 'reader',
    'os_compute_api:servers:delete': 'nobody',
  })
  assert.equal(allows('os_compute_api:os-hypervisors:list', as('reader')), true)
  assert.equal(allows('os_compute_api:servers:delete', as('admin'), own), false)
})
