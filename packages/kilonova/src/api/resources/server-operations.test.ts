/** What is done to a server without a task: its state reset, its task cancelled, an NMI, a password, its figures. */
import assert from 'node:assert/strict'
import { constants, generateKeyPairSync, privateDecrypt } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { deleteServer } from '../../actions/delete.ts'
import { admit } from '../../actions/admit.ts'
import { findServer } from '../../db/servers.ts'
import type { Json } from '../../domain/json.ts'
import { computeTopic } from '../../rpc/compute.ts'
import { guestOf } from '../../virt/contract-values.ts'
import { fakeDriver } from '../../virt/fake/driver.ts'
import { opensshOf } from '../ssh-key.ts'
import { at, cloud, server, settled, type Cloud } from '../testing/cloud.ts'

const act = (it: Cloud, id: string, json: unknown, { as = 'member', version = '2.17' } = {}) =>
  it.call('POST', `/servers/${id}/action`, { json, as, version })
const message = (answer: Awaited<ReturnType<Cloud['call']>>) =>
  Object.values(answer.body as Record<string, { message: string }>)[0]?.message
const reset = (it: Cloud, id: string, state: string, as = 'admin') =>
  act(it, id, { 'os-resetState': { state } }, { as })
async function standing(it: Cloud, id: string) {
  const { vmState, taskState } = (await findServer(it.db, id)) ?? {}
  return [vmState, taskState]
}
const actionsOf = async (it: Cloud, id: string) =>
  (
    at(await it.call('GET', `/servers/${id}/os-instance-actions`), 'instanceActions') as {
      action: string
      message: string
    }[]
  ).map(({ action, message: said }) => [action, said])
/** A server that runs on a fake host1, of an image with these properties. */
async function running(t: TestContext, properties: Readonly<Record<string, string>> = {}) {
  const it = await cloud(t)
  const id = await server(it)
  await settled(it, id)
  const { image } = (await findServer(it.db, id)) ?? {}
  const changed = JSON.stringify({ ...image, properties })
  await it.db.updateTable('servers').set({ image: changed }).where('id', '=', id).execute()
  const host = fakeDriver({ host: 'host1', clock: it.clock })
  await host.start(guestOf(id, { imageId: null, imageProperties: properties }))
  const stop = it.bus.serve(computeTopic('host1'), async (method, input) => {
    const { user, password } = input as Record<string, string>
    if (method === 'injectNmi') return host.injectNmi(id)
    if (method === 'setPassword') return host.setPassword(id, user ?? '', password ?? '')
    return (await host.diagnostics(id)) as unknown as Json
  })
  t.after(stop)
  return { it, id, host }
}

test('an administrator resets the state of an idle server at once', async (t) => {
  const { it, id } = await running(t)
  assert.equal((await reset(it, id, 'error', 'member')).status, 403)
  assert.equal((await reset(it, id, 'stopped')).status, 400)
  assert.equal((await reset(it, id, 'error')).status, 202)
  assert.deepEqual(await standing(it, id), ['error', null])
  assert.equal((await reset(it, id, 'active')).status, 202)
  assert.deepEqual(await standing(it, id), ['active', null])
  const [[name]] = (await actionsOf(it, id)) as [[string]]
  assert.equal(name, 'resetState')
})

test('the task of a busy server is undone before its state is reset; a delete is never stopped', async (t) => {
  const { it, id } = await running(t)
  await act(it, id, { 'os-stop': null })
  const { taskId = '' } = (await findServer(it.db, id)) ?? {}
  assert.equal((await reset(it, id, 'error')).status, 202)
  assert.deepEqual(await standing(it, id), ['active', 'resetting'])
  const stopping = await it.db.selectFrom('tasks').selectAll().where('id', '=', taskId).executeTakeFirst()
  assert.equal(stopping?.cancelled_by, 'resetState')
  await it.call('DELETE', `/servers/${id}`)
  const refused = await reset(it, id, 'active')
  assert.equal(refused.status, 409)
  assert.match(String(message(refused)), /The 'delete' of instance .* cannot be undone any more/)
})

test('a task is cancelled by its user, unless there is none or it only goes forward', async (t) => {
  const { it, id } = await running(t)
  const cancel = (as = 'member') => act(it, id, { 'kilonova:cancel': null }, { as, version: '2.1' })
  const nothing = await cancel()
  assert.deepEqual([nothing.status, message(nothing)], [409, `Nothing is being done to instance ${id}.`])
  await act(it, id, { suspend: null })
  assert.equal((await cancel('reader')).status, 403)
  assert.equal((await cancel('other')).status, 404)
  assert.equal((await act(it, id, { 'kilonova:cancel': 'x' })).status, 400)
  const told = new Promise((resolve) => it.bus.subscribe('task-cancelled', resolve))
  assert.equal((await cancel()).status, 202)
  const { taskId = '' } = (await findServer(it.db, id)) ?? {}
  assert.deepEqual(await told, { taskId, by: 'kilonova:cancel' })
  const row = await it.db
    .selectFrom('tasks')
    .select('cancelled_by')
    .where('id', '=', taskId ?? '')
    .executeTakeFirst()
  assert.equal(row?.cancelled_by, 'kilonova:cancel')
  await admit(it, { userId: 'a', projectId: 'p', requestId: 'r', isAdmin: true }, deleteServer, id, null)
  assert.equal((await cancel()).status, 409)
})

test('a dump is triggered in what runs; what does not is said so, and both are remembered', async (t) => {
  const { it, id, host } = await running(t)
  const dump = (version = '2.17', value: unknown = null) => act(it, id, { trigger_crash_dump: value }, { version })
  assert.equal((await dump('2.16')).status, 404)
  assert.equal((await dump('2.17', {})).status, 400)
  assert.equal((await dump()).status, 202)
  assert.match(await host.consoleOutput(id, 1000), /NMI received/)
  await host.powerOff(id)
  const refused = await dump()
  assert.deepEqual([refused.status, message(refused)], [409, `Instance ${id} is not running.`])
  const [failed, done] = await actionsOf(it, id)
  assert.deepEqual(
    [failed, done],
    [
      ['trigger_crash_dump', 'Error'],
      ['trigger_crash_dump', null],
    ],
  )
  await it.db.updateTable('servers').set({ vm_state: 'stopped' }).where('id', '=', id).execute()
  assert.match(String(message(await dump())), /Cannot 'trigger_crash_dump' instance .* in vm_state stopped/)
})

const password = (it: Cloud, id: string) => act(it, id, { changePassword: { adminPass: 'correct horse' } })

test('a password is set where the image says that an agent is there, of the user that it names', async (t) => {
  for (const [properties, user] of [
    [{}, 'root'],
    [{ os_type: 'windows' }, 'Administrator'],
    [{ os_type: 'windows', os_admin_user: 'boss' }, 'boss'],
  ] as const) {
    const { it, id, host } = await running(t, { ...properties, hw_qemu_guest_agent: 'yes' })
    assert.equal((await password(it, id)).status, 202)
    assert.equal(host.passwordOf(id, user), 'correct horse')
    const rows = await it.db.selectFrom('tasks').selectAll().execute()
    assert.ok(!JSON.stringify(rows).includes('correct horse'), 'it is written down nowhere')
  }
})

test('a password can be read again by who has the private key of the server', async (t) => {
  const { it, id } = await running(t, { hw_qemu_guest_agent: 'yes' })
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const keep = (key: string) =>
    it.db.updateTable('servers').set({ public_key: key, guest_password: 'before' }).where('id', '=', id).execute()
  const shown = async () => String(at(await it.call('GET', `/servers/${id}/os-server-password`), 'password'))
  await keep('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJFBaSYXhTkgyTWZyJ2ElNm5Y1o8Qd8h2mB7Z2hR9zS someone')
  await password(it, id)
  assert.equal(await shown(), 'before')
  await keep(opensshOf(publicKey, 'someone'))
  await password(it, id)
  const encrypted = Buffer.from(await shown(), 'base64')
  const plain = privateDecrypt({ key: privateKey, padding: constants.RSA_PKCS1_PADDING }, encrypted)
  assert.equal(plain.toString(), 'correct horse')
})

test('why a password is not set is said in the words of upstream', async (t) => {
  const without = await running(t)
  const refused = await password(without.it, without.id)
  assert.deepEqual([refused.status, message(refused)], [409, 'QEMU guest agent is not enabled'])
  const { it, id, host } = await running(t, { hw_qemu_guest_agent: 'true' })
  assert.equal((await act(it, id, { changePassword: {} })).status, 400)
  await host.pause(id)
  assert.match(String(message(await password(it, id))), /Failed to set admin password on .* because .* is not running/)
  await host.destroy(id)
  await host.start(guestOf(id, { imageId: null }))
  const silent = await password(it, id)
  assert.deepEqual([silent.status, message(silent)], [501, 'Unable to set password on instance'])
})

test('diagnostics are for administrators: as the hypervisor names them, or alike for all', async (t) => {
  const { it, id, host } = await running(t)
  const ask = async (version: string, as = 'admin') => it.call('GET', `/servers/${id}/diagnostics`, { version, as })
  assert.equal((await ask('2.48', 'member')).status, 403)
  it.pass(10_000)
  const old = (await ask('2.47')).body as Record<string, number>
  assert.deepEqual(Object.keys(old), ['cpu0_time', 'memory', 'memory-actual', 'memory-rss'])
  assert.ok((old['cpu0_time'] ?? 0) >= 10e9 && old['memory'] === 192 * 1024)
  const { uptime, cpu_details, ...rest } = (await ask('2.48')).body as Record<string, unknown>
  assert.ok(Number(uptime) >= 10)
  assert.match(JSON.stringify(cpu_details), /^\[\{"id":0,"time":\d{11,},"utilisation":null\}\]$/)
  assert.deepEqual(rest, {
    state: 'running',
    driver: 'libvirt',
    hypervisor: 'fake',
    hypervisor_os: 'linux',
    config_drive: false,
    num_cpus: 1,
    num_nics: 0,
    num_disks: 0,
    disk_details: [],
    nic_details: [],
    memory_details: { maximum: 192, used: 192 },
  })
  await host.destroy(id)
  assert.equal(at(await ask('2.48'), 'state'), 'pending')
  await it.db.updateTable('servers').set({ host: null }).where('id', '=', id).execute()
  assert.equal((await ask('2.48')).status, 409)
})
