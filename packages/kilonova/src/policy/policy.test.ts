/** Who may what: by role in the project that owns the target, and by what an operator wrote. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseRule, RuleError } from './language.ts'
import { isAdministrator, policy, PolicyError, type Subject } from './policy.ts'

/** With what the identity service adds to a role. */
const as = (...roles: string[]): Subject => ({
  userId: 'u',
  projectId: 'p',
  roles: new Set(roles),
  isAdmin: roles.includes('admin'),
})
const READER = as('reader')
const MEMBER = as('member', 'reader')
const MANAGER = as('manager', 'member', 'reader')
const ADMIN = as('admin', 'manager', 'member', 'reader')
const own = { projectId: 'p' }
const foreign = { projectId: 'q' }

test('readers look, members change, and only in their own project', () => {
  const { allows } = policy()
  assert.equal(allows('os_compute_api:servers:show', READER, own), true)
  assert.equal(allows('os_compute_api:servers:show', READER, foreign), false)
  assert.equal(allows('os_compute_api:servers:delete', READER, own), false)
  assert.equal(allows('os_compute_api:servers:delete', MEMBER, own), true)
  assert.equal(allows('os_compute_api:servers:delete', MANAGER, own), true)
  assert.equal(allows('os_compute_api:servers:delete', ADMIN, foreign), true)
  assert.equal(allows('os_compute_api:servers:show', as(), own), false)
})

test('key pairs are their user’s, events are for services, an unknown rule is for administrators', () => {
  const { allows, check } = policy()
  assert.equal(allows('os_compute_api:os-keypairs:show', READER, { userId: 'u' }), true)
  assert.equal(allows('os_compute_api:os-keypairs:show', MEMBER, { userId: 'v' }), false)
  assert.equal(allows('os_compute_api:os-server-external-events:create', MEMBER), false)
  assert.equal(allows('os_compute_api:os-server-external-events:create', as('service')), true)
  assert.equal(allows('no:such:rule', MEMBER), false)
  assert.equal(allows('no:such:rule', ADMIN), true)
  assert.throws(() => check('os_compute_api:os-hypervisors:list', MEMBER), {
    name: 'Forbidden',
    message: /os_compute_api:os-hypervisors:list/,
  })
})

test('an operator’s rule wins, also against administrators, and may be made of Nova’s base rules', () => {
  const { allows } = policy({
    'os_compute_api:os-hypervisors:list': 'rule:project_reader_or_admin',
    'os_compute_api:servers:delete': '!',
    'os_compute_api:servers:start': 'rule:operators and not role:trainee',
    operators: '(role:operator or role:boss) and project_id:%(project_id)s',
  })
  assert.equal(allows('os_compute_api:os-hypervisors:list', READER), true)
  assert.equal(allows('os_compute_api:servers:delete', ADMIN, own), false)
  assert.equal(allows('os_compute_api:servers:start', as('boss'), own), true)
  assert.equal(allows('os_compute_api:servers:start', as('boss'), foreign), false)
  assert.equal(allows('os_compute_api:servers:start', as('boss', 'trainee'), own), false)
  assert.equal(allows('os_compute_api:servers:start', ADMIN, own), false)
})

test('a changed base rule changes all that is made of it; context_is_admin says who is an administrator', () => {
  const made = policy({ context_is_admin: 'role:cloud_admin', project_member_api: 'user_id:%(user_id)s' })
  assert.equal(isAdministrator(made, as('cloud_admin')), true)
  assert.equal(isAdministrator(made, ADMIN), false)
  assert.equal(made.allows('os_compute_api:os-services:list', as('cloud_admin')), true)
  assert.equal(made.allows('os_compute_api:os-services:list', ADMIN), false)
  assert.equal(made.allows('os_compute_api:servers:create', as(), { ...foreign, userId: 'u' }), true)
})

test('without the new defaults whoever is in the project may do what members may', () => {
  const { allows } = policy({}, { newDefaults: false })
  assert.equal(allows('os_compute_api:servers:delete', as('anything'), own), true)
  assert.equal(allows('os_compute_api:servers:delete', as('anything'), foreign), false)
  assert.equal(allows('os_compute_api:os-services:list', as('anything'), own), false)
})

test('the rule language: and binds before or, not before both; an empty rule is anybody', () => {
  const may = (text: string, subject: Subject = MEMBER, target = own) =>
    policy({ asked: text }).allows('asked', subject, target)
  for (const text of [
    '',
    '@',
    'role:Member',
    'ROLE:x or role:member'.replace('ROLE', 'role'),
    'role:x and role:y or role:member',
    'role:member or role:x and role:y',
    'not role:x and role:member',
    'NOT (role:x OR role:y)',
    '((role:member))',
    'not not role:member',
    "'p':%(project_id)s",
    '"p":%(project_id)s',
    'True:True',
    'tenant:p',
    'roles:member',
    'is_admin:False',
    'project_id:%(project_id)s and user_id:u',
    'not @ or @',
  ])
    assert.equal(may(text), true, text)
  for (const text of [
    '!',
    'not @',
    'role:members',
    'not (role:x or role:member)',
    'role:member and role:x or role:y',
    "'q':%(project_id)s",
    'is_admin:True',
    'system_scope:all',
    'project_id:%%(project_id)s',
  ])
    assert.equal(may(text), false, text)
})

test('what is no rule is refused with the reason', () => {
  for (const [text, reason] of [
    ['role:admin role:member', /"role:member" stands where "and" or "or" is expected/],
    ['role:admin and', /ends where a check is expected/],
    ['or role:admin', /"or" stands where a check is expected/],
    ['(role:admin', /a bracket is not closed/],
    ['role:admin)', /"\)" stands where/],
    ['admin', /"admin" is no check/],
    ['projct_id:%(project_id)s', /"projct_id" is not known of a caller/],
    ['project_id:%(projct_id)s', /%\(projct_id\)s is not known of a target/],
    ['role:50%', /% is not followed by \(name\)s/],
    ['http://example.org/may', /checks by another server/],
    [`${'('.repeat(5000)}@`, /nested too deeply/],
  ] as const)
    assert.throws(() => policy({ asked: text }), { name: 'PolicyError', rule: 'asked', message: reason }, text)
  assert.throws(() => policy({ asked: 'rule:nowhere' }), { rule: 'asked', message: /"nowhere", which is not defined/ })
  assert.throws(() => policy({ a: 'rule:b', b: 'not rule:a' }), { message: /leads back to itself/ })
  assert.throws(() => policy({ context_is_admin: 'rule:admin_only', admin_only: 'rule:context_is_admin' }), PolicyError)
})

test('any text is a rule or is refused, and nothing else happens', () => {
  const words = fc.constantFrom('(', ')', 'and', 'or', 'not', '@', '!', 'role:x', 'rule:admin_api', '%', "'", ':', ' ')
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(words).map((all) => all.join(' ')),
      ),
      (text) => {
        try {
          parseRule(text)
        } catch (error) {
          assert.ok(error instanceof RuleError, String(error))
        }
      },
    ),
  )
})
