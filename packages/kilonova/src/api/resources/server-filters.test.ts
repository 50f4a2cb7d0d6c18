/** Lists of servers over HTTP: who is heard with which filter from which version on, and in which order servers come. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setAddresses } from '../../db/server-columns.ts'
import { ADMIN_PROJECT, at, cloud, PROJECT, server, settled } from '../testing/cloud.ts'

const DAY_MS = 24 * 3600_000

/** `alpha` is active on host1, `beta` is locked and building, `gone` is deleted. */
async function three(t: TestContext) {
  const it = await cloud(t)
  const alpha = await server(it, { name: 'alpha', metadata: { role: 'web' } })
  await settled(it, alpha)
  it.pass(DAY_MS)
  const beta = await server(it, { name: 'beta', config_drive: true })
  const gone = await server(it, { name: 'gone' })
  const change = (id: string, values: object) => it.db.updateTable('servers').set(values).where('id', '=', id).execute()
  const address = { network: 'n', networkId: 'n', portId: 'p', mac: 'm' }
  const addresses = [
    { ...address, address: '10.1.0.5', version: 4 as const },
    { ...address, address: 'fd00::5', version: 6 as const },
  ]
  await setAddresses(it.db, alpha, addresses)
  await change(alpha, { key_name: 'mykey', progress: 100 })
  await change(beta, { locked: 1, access_ip_v4: '192.0.2.9', availability_zone: 'east' })
  await change(gone, { vm_state: 'deleted', task_state: null, deleted_at: it.clock.now(), updated_at: it.clock.now() })
  const list = (query: string, version = '2.1', as = 'member') => it.call('GET', `/servers?${query}`, { version, as })
  const names = async (query: string, version?: string, as?: string) => {
    const answer = await list(query, version, as)
    assert.equal(answer.status, 200, `${query}: ${JSON.stringify(answer.body)}`)
    return (at(answer, 'servers') as { name: string }[]).map(({ name }) => name).toSorted()
  }
  const status = async (query: string, version?: string, as?: string) => (await list(query, version, as)).status
  return { it, names, status, list, alpha }
}
const BOTH = ['alpha', 'beta']
/** As an administrator of another project sees them. */
const everywhere = (query: string) => `all_tenants=1&${query}`

test('users are heard with a filter from its version on; before it is as if it were not there', async (t) => {
  const { names } = await three(t)
  for (const [query, since] of [
    ['ip6=fd00', '2.5'],
    ['availability_zone=east', '2.83'],
    ['config_drive=true', '2.83'],
    ['key_name=mykey', '2.83'],
    ['power_state=1', '2.83'],
    ['vm_state=active', '2.83'],
    ['task_state=scheduling', '2.83'],
    ['progress=100', '2.83'],
    ['hostname=alpha', '2.90'],
  ] as const) {
    const before = `2.${Number(since.slice(2)) - 1}`
    assert.deepEqual(await names(query, before), BOTH, `${query} at ${before}`)
    assert.equal((await names(query, since)).length, 1, `${query} at ${since}`)
    assert.equal((await names(everywhere(query), before, 'admin')).length, 1, `${query} for administrators`)
  }
  for (const query of ['host=host1', 'node=host1', 'deleted=true', 'description=x', 'uuid=x', 'access_ip_v4=192'])
    assert.deepEqual(await names(query, '2.90'), BOTH, `${query} is for administrators`)
})

test('administrators find by host, node, address, zone and time, and the deleted', async (t) => {
  const { it, names, alpha } = await three(t)
  const found = (query: string) => names(everywhere(query), '2.90', 'admin')
  assert.deepEqual(await found('host=host1'), ['alpha'])
  assert.deepEqual(await found('host=host'), [], 'a host is named in full')
  assert.deepEqual(await found('node=host1.*'), ['alpha'])
  assert.deepEqual(await found('access_ip_v4=^192'), ['beta'])
  assert.deepEqual(await found(`uuid=${alpha}`), ['alpha'])
  assert.deepEqual(await found('deleted=true'), ['gone'])
  assert.deepEqual(await found('deleted=nonsense'), BOTH)
  assert.deepEqual(await found('status=DELETED'), ['gone'])
  const day = new Date(it.clock.now() - DAY_MS).toISOString().slice(0, 10)
  assert.deepEqual(await found(`created_at=${day}`), ['alpha'])
  assert.deepEqual(await found(`project_id=${PROJECT}`), BOTH)
  assert.deepEqual(await found(`tenant_id=${ADMIN_PROJECT}`), [])
  assert.deepEqual(await names(`project_id=${PROJECT}`, '2.1', 'admin'), [], 'a project counts only among all of them')
})

test('names and addresses are expressions, and a wrong one is a 400', async (t) => {
  const { names, status } = await three(t)
  assert.deepEqual(await names('name=^al'), ['alpha'])
  assert.deepEqual(await names('name=A$'), BOTH)
  assert.deepEqual(await names('ip=10.1'), ['alpha'])
  assert.deepEqual(await names('ip=^10.1.0.5$'), ['alpha'])
  assert.deepEqual(await names('metadata={"role":"web"}'), ['alpha'])
  assert.equal(await status('name=['), 400)
})

test('times of change reach the deleted, and must be in order', async (t) => {
  const { it, names, status } = await three(t)
  const ago = (ms: number) => encodeURIComponent(new Date(it.clock.now() - ms).toISOString())
  assert.deepEqual(await names(`changes-since=${ago(DAY_MS / 2)}`), ['beta', 'gone'])
  assert.deepEqual(await names(`changes-before=${ago(DAY_MS / 2)}`, '2.66'), ['alpha'])
  assert.deepEqual(await names(`changes-before=${ago(-1000)}`, '2.66'), ['alpha', 'beta', 'gone'])
  assert.deepEqual(await names(`changes-before=${ago(DAY_MS / 2)}`, '2.65'), BOTH, 'unknown before 2.66')
  assert.equal(await status(`changes-since=${ago(0)}&changes-before=${ago(DAY_MS)}`, '2.66'), 400)
  assert.equal(await status('changes-since=yesterday'), 400)
})

test('a limit of none asks for nothing; what is no date and time is a 400', async (t) => {
  const it = await cloud(t)
  await server(it)
  assert.deepEqual((await it.call('GET', '/servers?limit=0')).body, { servers: [] })
  assert.deepEqual((await it.call('GET', '/servers/detail?limit=0')).body, { servers: [] })
  for (const time of ['2011/01/01', '1', 'now'])
    assert.equal((await it.call('GET', `/servers?changes-since=${time}`)).status, 400, time)
})

test('locked is asked for from 2.73 on, by a word for yes or no', async (t) => {
  const { names, status } = await three(t)
  assert.deepEqual(await names('locked=true', '2.73'), ['beta'])
  assert.deepEqual(await names('locked=0', '2.73'), ['alpha'])
  assert.deepEqual(await names('locked=true', '2.72'), BOTH)
  assert.equal(await status('locked=perhaps', '2.73'), 400)
  assert.equal(await status('all_tenants=perhaps'), 400)
})

test('a status that there is none of finds nothing before 2.38, and is a 400 from then on', async (t) => {
  const { names, status } = await three(t)
  assert.deepEqual(await names('status=ACTIVE'), ['alpha'])
  assert.deepEqual(await names('status=active&status=BUILD'), BOTH)
  assert.deepEqual(await names('status=HAPPY', '2.37'), [])
  assert.equal(await status('status=HAPPY', '2.38'), 400)
  assert.equal(await status('status=DELETED'), 403)
})

test('unknown names are refused from 2.75 on, and what lies in other tables always, for administrators', async (t) => {
  const { names, status } = await three(t)
  assert.deepEqual(await names('colour=red', '2.74'), BOTH)
  assert.equal(await status('colour=red', '2.75'), 400)
  assert.deepEqual(await names('info_cache=x'), BOTH)
  assert.equal(await status('info_cache=x', '2.1', 'admin'), 400)
})

test('an order is by one of the known keys, and by some for administrators only', async (t) => {
  const { it, status } = await three(t)
  const order = async (query: string, version = '2.1') =>
    (at(await it.call('GET', `/servers?${query}`, { version }), 'servers') as { name: string }[]).map(
      ({ name }) => name,
    )
  assert.deepEqual(await order(''), ['beta', 'alpha'])
  assert.deepEqual(await order('sort_key=display_name&sort_dir=asc'), BOTH)
  assert.deepEqual(await order('sort_key=vm_state&sort_dir=asc'), BOTH)
  assert.deepEqual(await order('sort_key=vm_state&sort_key=display_name&sort_dir=desc'), ['beta', 'alpha'])
  assert.deepEqual(await order('sort_key=memory_mb&sort_key=display_name&sort_dir=desc&sort_dir=asc'), BOTH)
  assert.equal(await status('sort_key=memory_mb', '2.75'), 400)
  assert.equal(await status('sort_key=locked', '2.75'), 200)
  for (const wrong of ['sort_key=colour', 'sort_key=name', 'sort_dir=up', 'sort_dir=asc&sort_dir=desc'])
    assert.equal(await status(wrong), 400, wrong)
  assert.equal(await status('sort_key=node'), 403)
})
