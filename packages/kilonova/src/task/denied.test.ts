/** What may be asked for in which states, written down a second time from upstream's rules, and compared over all states there are. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TASK_STATES, VM_STATES, type TaskState, type VmState } from '../domain/states.ts'
import { ACTIONS } from '../actions/index.ts'
import { denied } from './denied.ts'

interface Allowed {
  readonly vmStates: readonly VmState[] | 'any'
  readonly taskStates: readonly TaskState[] | 'any'
}

/** Upstream: check_instance_state in nova/compute/api.py. Create is asked for by its own admission, never of a server there is. */
const ALLOWED: Readonly<Record<string, Allowed>> = {
  create: { vmStates: ['building'], taskStates: [null] },
  delete: { vmStates: 'any', taskStates: 'any' },
  start: { vmStates: ['stopped'], taskStates: [null] },
  stop: { vmStates: ['active', 'error'], taskStates: [null] },
  rebootSoft: { vmStates: ['active'], taskStates: [null] },
  rebootHard: {
    vmStates: ['active', 'stopped', 'paused', 'suspended', 'error'],
    taskStates: [
      null,
      'rebooting',
      'reboot_pending',
      'reboot_started',
      'rebooting_hard',
      'pausing',
      'unpausing',
      'suspending',
      'resuming',
      'attaching-interface',
      'detaching-interface',
    ],
  },
  pause: { vmStates: ['active'], taskStates: [null] },
  unpause: { vmStates: ['paused'], taskStates: [null] },
  suspend: { vmStates: ['active'], taskStates: [null] },
  resume: { vmStates: ['suspended'], taskStates: [null] },
  createImage: { vmStates: ['active', 'stopped', 'paused', 'suspended'], taskStates: [null] },
  shelve: { vmStates: ['active', 'stopped', 'paused', 'suspended'], taskStates: [null] },
  shelveAndOffload: { vmStates: ['active', 'stopped', 'paused', 'suspended'], taskStates: [null] },
  shelveOffload: { vmStates: ['shelved'], taskStates: [null] },
  unshelve: { vmStates: ['shelved_offloaded'], taskStates: [null] },
  unshelveInPlace: { vmStates: ['shelved'], taskStates: [null] },
  rebuild: { vmStates: ['active', 'stopped', 'error'], taskStates: [null] },
  rescue: { vmStates: ['active', 'stopped', 'error'], taskStates: [null] },
  unrescue: { vmStates: ['rescued'], taskStates: [null] },
  createBackup: { vmStates: ['active', 'stopped', 'paused', 'suspended'], taskStates: [null] },
  softDelete: { vmStates: 'any', taskStates: 'any' },
  restore: { vmStates: ['soft-delete'], taskStates: [null] },
  attachInterface: { vmStates: ['active', 'paused', 'stopped'], taskStates: [null] },
  detachInterface: { vmStates: ['active', 'paused', 'stopped'], taskStates: [null] },
  loseInterface: {
    vmStates: VM_STATES.filter((state) => !['building', 'suspended', 'deleted'].includes(state)),
    taskStates: [null],
  },
  resetState: { vmStates: 'any', taskStates: [null, ...TASK_STATES.filter((state) => state !== 'deleting')] },
}
const NEEDS_HOST = [
  'createImage',
  'createBackup',
  'shelve',
  'shelveAndOffload',
  'shelveOffload',
  'unshelveInPlace',
  'rebuild',
  'rescue',
  'unrescue',
  'start',
  'stop',
  'rebootSoft',
  'rebootHard',
  'pause',
  'unpause',
  'suspend',
  'resume',
  'restore',
  'attachInterface',
  'detachInterface',
]
/** Upstream looks at no lock here: nothing is changed, only administrators may ask, or nobody but the network service does. */
const KNOWS_NO_LOCK = ['createImage', 'createBackup', 'resetState', 'loseInterface']
const ID = 'the-server'
const server = { id: ID, vmState: 'active', taskState: null, locked: false, host: 'host-1' } as const

test('the table has every action', () =>
  assert.deepEqual(Object.keys(ALLOWED).toSorted(), Object.keys(ACTIONS).toSorted()))

for (const action of Object.values(ACTIONS)) {
  const { vmStates, taskStates } = ALLOWED[action.name] ?? { vmStates: [], taskStates: [] }
  test(`${action.name}: allowed exactly in the states of the table`, () => {
    for (const vmState of VM_STATES)
      for (const taskState of [null, ...TASK_STATES]) {
        const may =
          (vmStates === 'any' || vmStates.includes(vmState)) && (taskStates === 'any' || taskStates.includes(taskState))
        const problem = denied(action.name, action, { ...server, vmState, taskState }, false)
        assert.equal(problem === undefined, may, `${vmState} / ${taskState}`)
        if (problem) assert.deepEqual([problem.name, problem.kind], ['InstanceInvalidState', 'conflict'])
      }
  })
  test(`${action.name}: a locked server is ${KNOWS_NO_LOCK.includes(action.name) ? 'like any other' : 'for administrators'}`, () => {
    const locked = {
      ...server,
      vmState: vmStates === 'any' ? 'active' : (vmStates[0] ?? 'active'),
      locked: true,
    } as const
    assert.equal(
      denied(action.name, action, locked, false)?.message,
      KNOWS_NO_LOCK.includes(action.name) ? undefined : `Instance ${ID} is locked`,
    )
    assert.equal(denied(action.name, action, locked, true), undefined)
  })
  test(`${action.name}: ${NEEDS_HOST.includes(action.name) ? 'needs' : 'does not need'} a host`, () => {
    const homeless = {
      ...server,
      vmState: vmStates === 'any' ? 'error' : (vmStates[0] ?? 'active'),
      host: null,
    } as const
    assert.equal(
      denied(action.name, action, homeless, false)?.name,
      NEEDS_HOST.includes(action.name) ? 'InstanceNotReady' : undefined,
    )
  })
}

test('the refusal names the state that stands in the way, in the words of the clients', () => {
  const { start } = ACTIONS
  assert.ok(start)
  assert.equal(
    denied('start', start, server, false)?.message,
    `Cannot 'start' instance ${ID} while it is in vm_state active`,
  )
  const busy = { ...server, vmState: 'stopped', taskState: 'powering-on' } as const
  assert.equal(
    denied('start', start, busy, false)?.message,
    `Cannot 'start' instance ${ID} while it is in task_state powering-on`,
  )
})
