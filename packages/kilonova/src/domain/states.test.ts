import assert from 'node:assert/strict'
import { test } from 'node:test'
import { statesOf, statusOf, TASK_STATES, VM_STATES, type VmState } from './states.ts'

/** Upstream: nova/api/openstack/common.py. */
const PLAIN: Readonly<Record<VmState, string>> = {
  building: 'BUILD',
  active: 'ACTIVE',
  paused: 'PAUSED',
  suspended: 'SUSPENDED',
  stopped: 'SHUTOFF',
  rescued: 'RESCUE',
  resized: 'VERIFY_RESIZE',
  shelved: 'SHELVED',
  shelved_offloaded: 'SHELVED_OFFLOADED',
  'soft-delete': 'SOFT_DELETED',
  deleted: 'DELETED',
  error: 'ERROR',
}
const DURING: Readonly<Record<string, string>> = {
  'active rebooting': 'REBOOT',
  'active reboot_pending': 'REBOOT',
  'active reboot_started': 'REBOOT',
  'active rebooting_hard': 'HARD_REBOOT',
  'active reboot_pending_hard': 'HARD_REBOOT',
  'active reboot_started_hard': 'HARD_REBOOT',
  'active rebuilding': 'REBUILD',
  'active rebuild_block_device_mapping': 'REBUILD',
  'active rebuild_spawning': 'REBUILD',
  'stopped rebuilding': 'REBUILD',
  'stopped rebuild_block_device_mapping': 'REBUILD',
  'stopped rebuild_spawning': 'REBUILD',
  'error rebuilding': 'REBUILD',
  'error rebuild_block_device_mapping': 'REBUILD',
  'error rebuild_spawning': 'REBUILD',
  'active migrating': 'MIGRATING',
  'paused migrating': 'MIGRATING',
}

test('the status of every pair of states', () => {
  for (const vmState of VM_STATES)
    for (const taskState of [null, ...TASK_STATES])
      assert.equal(statusOf(vmState, taskState), DURING[`${vmState} ${taskState}`] ?? PLAIN[vmState])
})

test('the states that a status asks for have that status, and no others have it', () => {
  for (const status of new Set([...Object.values(PLAIN), ...Object.values(DURING)])) {
    const asked = statesOf(status.toLowerCase())
    for (const vmState of VM_STATES)
      for (const taskState of [null, ...TASK_STATES]) {
        const meant = asked.some(
          (each) =>
            each.vmState === vmState && (each.taskStates === undefined || each.taskStates.includes(taskState ?? '')),
        )
        // A status that is shown only during a task is asked for by name; the plain one of the same server is asked for too.
        const has = statusOf(vmState, taskState) === status
        const plain = PLAIN[vmState] === status
        assert.equal(meant, has || plain, `${status}: ${vmState} ${taskState}`)
      }
  }
  assert.deepEqual(statesOf('NO_SUCH_STATUS'), [])
})
