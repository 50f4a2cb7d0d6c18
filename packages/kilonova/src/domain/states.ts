/**
 * The states of a server. `vmState` is stable, `taskState` says what is in progress, `powerState` is what the hypervisor saw.
 * What users see as `status` follows from the first two. Upstream: nova/compute/{vm_states,task_states,power_state}.py.
 */
export const VM_STATES = [
  'building',
  'active',
  'paused',
  'suspended',
  'stopped',
  'rescued',
  'resized',
  'shelved',
  'shelved_offloaded',
  'soft-delete',
  'deleted',
  'error',
] as const
export type VmState = (typeof VM_STATES)[number]

export const TASK_STATES = [
  'scheduling',
  'block_device_mapping',
  'networking',
  'spawning',
  'image_snapshot',
  'image_snapshot_pending',
  'image_pending_upload',
  'image_uploading',
  'image_backup',
  'rebuilding',
  'rebuild_block_device_mapping',
  'rebuild_spawning',
  'rescuing',
  'unrescuing',
  'shelving',
  'shelving_image_pending_upload',
  'shelving_image_uploading',
  'shelving_offloading',
  'unshelving',
  'rebooting',
  'reboot_pending',
  'reboot_started',
  'rebooting_hard',
  'reboot_pending_hard',
  'reboot_started_hard',
  'powering-off',
  'powering-on',
  'pausing',
  'unpausing',
  'suspending',
  'resuming',
  'migrating',
  'soft-deleting',
  'restoring',
  'resetting',
  'attaching-interface',
  'detaching-interface',
  'deleting',
] as const
export type TaskState = (typeof TASK_STATES)[number] | null

export const POWER_STATES = ['nostate', 'running', 'paused', 'shutdown', 'crashed', 'suspended'] as const
export type PowerState = (typeof POWER_STATES)[number]

/** The numbers of `OS-EXT-STS:power_state`. */
export const POWER_STATE_NUMBER: Readonly<Record<PowerState, number>> = {
  nostate: 0,
  running: 1,
  paused: 3,
  shutdown: 4,
  crashed: 6,
  suspended: 7,
}

type Status = { readonly status: string; readonly during?: Readonly<Record<string, string>> }

const REBOOTS = {
  rebooting: 'REBOOT',
  reboot_pending: 'REBOOT',
  reboot_started: 'REBOOT',
  rebooting_hard: 'HARD_REBOOT',
  reboot_pending_hard: 'HARD_REBOOT',
  reboot_started_hard: 'HARD_REBOOT',
} as const
const MIGRATING = { migrating: 'MIGRATING' } as const

const REBUILDS = {
  rebuilding: 'REBUILD',
  rebuild_block_device_mapping: 'REBUILD',
  rebuild_spawning: 'REBUILD',
} as const

const STATUS: Readonly<Record<VmState, Status>> = {
  building: { status: 'BUILD' },
  active: { status: 'ACTIVE', during: { ...REBOOTS, ...REBUILDS, ...MIGRATING } },
  paused: { status: 'PAUSED', during: MIGRATING },
  suspended: { status: 'SUSPENDED' },
  stopped: { status: 'SHUTOFF', during: REBUILDS },
  rescued: { status: 'RESCUE' },
  resized: { status: 'VERIFY_RESIZE' },
  shelved: { status: 'SHELVED' },
  shelved_offloaded: { status: 'SHELVED_OFFLOADED' },
  'soft-delete': { status: 'SOFT_DELETED' },
  deleted: { status: 'DELETED' },
  error: { status: 'ERROR', during: REBUILDS },
}

/** What the API calls `status`. */
export const statusOf = (vmState: VmState, taskState: TaskState): string =>
  STATUS[vmState].during?.[taskState ?? ''] ?? STATUS[vmState].status

/** The states a `status` filter asks for; empty for an unknown word. A status seen only during a task names its task states. */
export function statesOf(
  status: string,
): readonly { readonly vmState: VmState; readonly taskStates?: readonly string[] }[] {
  const word = status.toUpperCase()
  return VM_STATES.flatMap((vmState) => {
    const { status: plain, during = {} } = STATUS[vmState]
    if (plain === word) return [{ vmState }]
    const taskStates = Object.entries(during).flatMap(([task, name]) => (name === word ? [task] : []))
    return taskStates.length > 0 ? [{ vmState, taskStates }] : []
  })
}
