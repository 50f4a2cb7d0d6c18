/** What must hold of servers: always, and once nothing is going on any more. Counted in the hosts' and the network service's own stores. */
import type { FakeDriver } from '@kilonova/kilonova/virt/fake/driver.ts'
import type { World } from '../battery/world.ts'

const WITH_DISK = ['active', 'stopped', 'paused', 'suspended']
const REBUILT = ['active', 'stopped', 'error']
/** The stable states that each state in progress is seen with: upstream's table of actions. */
const DURING: Readonly<Record<string, readonly string[]>> = {
  scheduling: ['building'],
  block_device_mapping: ['building'],
  networking: ['building'],
  spawning: ['building', 'shelved_offloaded'],
  image_snapshot_pending: WITH_DISK,
  image_snapshot: WITH_DISK,
  image_pending_upload: WITH_DISK,
  image_uploading: WITH_DISK,
  image_backup: WITH_DISK,
  rebuilding: REBUILT,
  rebuild_block_device_mapping: REBUILT,
  rebuild_spawning: REBUILT,
  rescuing: REBUILT,
  unrescuing: ['rescued'],
  shelving: WITH_DISK,
  shelving_image_pending_upload: WITH_DISK,
  shelving_image_uploading: WITH_DISK,
  shelving_offloading: [...WITH_DISK, 'shelved'],
  unshelving: ['shelved', 'shelved_offloaded'],
  'powering-on': ['stopped', 'shelved'],
  'powering-off': ['active', 'error'],
  rebooting: ['active'],
  reboot_pending: ['active'],
  reboot_started: ['active'],
  rebooting_hard: ['active', 'stopped', 'paused', 'suspended', 'error'],
  reboot_pending_hard: ['active', 'stopped', 'paused', 'suspended', 'error'],
  reboot_started_hard: ['active', 'stopped', 'paused', 'suspended', 'error'],
  pausing: ['active'],
  unpausing: ['paused'],
  suspending: ['active'],
  resuming: ['suspended'],
  deleting: [
    'building',
    'active',
    'stopped',
    'paused',
    'suspended',
    'error',
    'rescued',
    'shelved',
    'shelved_offloaded',
  ],
}
const AT_REST = [
  'rescued',
  'shelved',
  'shelved_offloaded',
  'active',
  'stopped',
  'paused',
  'suspended',
  'error',
  'deleted',
]
const POWER: Readonly<Record<string, string>> = {
  active: 'running',
  stopped: 'shutdown',
  paused: 'paused',
  suspended: 'shutdown',
  rescued: 'running',
  shelved: 'shutdown',
  shelved_offloaded: 'shutdown',
}

/** At any time: what is wrong. */
export async function wrongNow({ db }: World): Promise<readonly string[]> {
  const servers = await db.selectFrom('servers').select(['id', 'vm_state', 'task_state']).execute()
  const states = servers.flatMap(({ id, vm_state: vm, task_state: task }) =>
    (task === null ? AT_REST : (DURING[task] ?? [])).includes(vm) ? [] : [`${id} is ${vm} and ${task}`],
  )
  const running = await db
    .selectFrom('tasks')
    .select(['server_id', ({ fn }) => fn.countAll<number>().as('n')])
    .where('finished_at', 'is', null)
    .where('owner', 'is not', null)
    .groupBy('server_id')
    .execute()
  return [
    ...states,
    ...running.flatMap(({ server_id: id, n }) => (Number(n) > 1 ? [`${id} has ${n} tasks that run`] : [])),
  ]
}

export const isQuiet = async ({ db }: World): Promise<boolean> =>
  (await db.selectFrom('tasks').select('id').where('finished_at', 'is', null).executeTakeFirst()) === undefined

const differing = (what: string, is: readonly string[], should: readonly string[]): readonly string[] => [
  ...is.filter((one) => !should.includes(one)).map((one) => `${what} too many: ${one}`),
  ...should.filter((one) => !is.includes(one)).map((one) => `${what} missing: ${one}`),
]

/** When no task is open: what is wrong. `owned` are ports that users made, which belong to them. */
export async function wrongAtRest(world: World, owned: readonly string[]): Promise<readonly string[]> {
  const { db, drivers } = world
  const rows = await db.selectFrom('servers').selectAll().where('deleted_at', 'is', null).execute()
  const placed = rows.flatMap(({ id, host, ...row }) => (host === null ? [] : [{ ...row, id, host }]))
  const wrong = rows.flatMap(({ id, vm_state: vm, power_state: power, task_id: task, host }) => [
    ...(task === null ? [] : [`${id} still belongs to task ${task}`]),
    ...(POWER[vm] !== undefined && POWER[vm] !== power ? [`${id} is ${vm} and ${power}`] : []),
    ...(host === null && vm !== 'error' && vm !== 'shelved_offloaded' ? [`${id} is ${vm} and nowhere`] : []),
  ])
  const allocations = await db.selectFrom('allocations').selectAll().execute()
  const allocated = allocations.map(({ consumer_id: id, host, vcpus, memory_mb: mb }) => `${id} ${host} ${vcpus} ${mb}`)
  const taken = placed.map(({ id, host, vcpus, memory_mb: mb }) => `${id} ${host} ${vcpus} ${mb}`)
  const owed = await db.selectFrom('owed').selectAll().execute()
  const ports = await portsThere(world)
  const offloaded = rows.filter(({ vm_state: vm }) => vm === 'shelved_offloaded')
  const known = new Set([...placed, ...offloaded].map(({ id }) => id).concat(''))
  return [
    ...wrong,
    ...differing('allocation', allocated, taken),
    ...owed.map((row) => `owed: ${JSON.stringify(row)}`),
    ...ports.flatMap(({ id, device_id: device, 'binding:host_id': host }) => [
      ...(known.has(device) ? [] : [`port ${id} belongs to ${device}, which is not there`]),
      ...(device === '' && !owned.includes(id) ? [`port ${id} belongs to nobody`] : []),
      ...(host !== '' && offloaded.some((server) => server.id === device)
        ? [`port ${id} is bound to ${host}, its server is nowhere`]
        : []),
      ...(device !== '' && placed.some((server) => server.id === device && server.host !== host)
        ? [`port ${id} is bound to ${host}, its server is elsewhere`]
        : []),
    ]),
    ...differing(
      'user port',
      owned.filter((id) => !ports.some((port) => port.id === id)),
      [],
    ),
    ...(await Promise.all([...drivers].map(([host, driver]) => wrongOn(host, driver, placed, ports)))).flat(),
  ]
}

interface Port {
  readonly id: string
  readonly device_id: string
  readonly 'binding:host_id': string
}
async function portsThere({ person }: World): Promise<readonly Port[]> {
  const admin = await person('admin')
  const { body } = await admin.call('GET', '/v2.0/ports')
  return (body as { ports: readonly Port[] }).ports
}

async function wrongOn(
  host: string,
  driver: FakeDriver,
  placed: readonly { readonly id: string; readonly host: string; readonly vm_state: string }[],
  ports: readonly Port[],
): Promise<readonly string[]> {
  const here = placed.filter((server) => server.host === host && server.vm_state !== 'error')
  const guests = (await driver.guests()).map(({ serverId, powerState }) => `${serverId} ${powerState}`)
  // A guest that is off may be unknown to its host: it is made when it is started.
  const should = here
    .map(({ id, vm_state: vm }) => `${id} ${POWER[vm]}`)
    .filter((guest) => !guest.endsWith(' shutdown') || guests.includes(guest))
  const disks = here.length + here.filter(({ vm_state: vm }) => vm === 'rescued').length
  const inventory = driver.inventory()
  const plugged = ports.filter(({ device_id: id }) => here.some((server) => server.id === id)).length
  return [
    ...differing(`guest on ${host}`, guests, should),
    ...(inventory.disks === disks ? [] : [`${host} has ${inventory.disks} disks, not ${disks}`]),
    ...(inventory.snapshots === 0 ? [] : [`${host} keeps ${inventory.snapshots} copies of disks`]),
    // One that was made anew, and that could not be done, has lost its memory and is still suspended.
    ...(inventory.memories <= here.filter(({ vm_state: vm }) => vm === 'suspended').length
      ? []
      : [`${host} keeps ${inventory.memories} memories`]),
    ...(inventory.ports === plugged ? [] : [`${host} has ${inventory.ports} of ${plugged} ports plugged`]),
    ...(inventory.configDrives <= here.length ? [] : [`${host} has ${inventory.configDrives} config drives`]),
  ]
}
