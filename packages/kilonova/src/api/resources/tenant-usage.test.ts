/** Usage over HTTP: hours in a span, of the living and the deleted, page by page. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ADMIN_PROJECT, at, cloud, PROJECT, server, settled } from '../testing/cloud.ts'

const HOUR_MS = 3600_000
const START = Date.parse('2030-01-01T00:00:00Z')
const text = (hours: number) => new Date(START + hours * HOUR_MS).toISOString().replace('Z', '')
const path = '/os-simple-tenant-usage'

test('hours count within the span, for servers that are gone too', async (t) => {
  const it = await cloud(t)
  const ran = async (name: string, from: number, to: number | null) => {
    const id = await server(it, { name })
    await settled(it, id)
    const end = to === null ? null : START + to * HOUR_MS
    await it.db
      .updateTable('servers')
      .set({ launched_at: START + from * HOUR_MS, terminated_at: end, deleted_at: end })
      .where('id', '=', id)
      .execute()
    return id
  }
  const ids = [
    await ran('before', -5, -1),
    await ran('across', -2, 3),
    await ran('lives', 4, null),
    await ran('after', 20, 21),
  ]
  await server(it, { name: 'never ran' })
  const span = `start=${text(0)}&end=${text(10)}`
  const mine = at(await it.call('GET', `${path}/${PROJECT}?${span}`), 'tenant_usage') as Record<string, unknown>
  const { server_usages: usages, ...totals } = mine
  assert.deepEqual(totals, {
    tenant_id: PROJECT,
    start: '2030-01-01T00:00:00.000000',
    stop: '2030-01-01T10:00:00.000000',
    total_hours: 9,
    total_vcpus_usage: 9,
    total_memory_mb_usage: 9 * 512,
    total_local_gb_usage: 9,
  })
  const byName = Object.fromEntries(
    (usages as { name: string; hours: number; state: string; ended_at: string | null; uptime: number }[]).map(
      ({ name, hours, state, ended_at: ended, uptime }) => [name, [hours, state, ended, uptime]],
    ),
  )
  assert.deepEqual(byName, {
    across: [3, 'terminated', '2030-01-01T03:00:00.000000', 5 * 3600],
    lives: [6, 'active', null, 6 * 3600],
  })
  const all = await it.call('GET', `${path}?${span}`, { as: 'admin' })
  assert.deepEqual(at(all, 'tenant_usages'), [totals])
  const detailed = await it.call('GET', `${path}?${span}&detailed=1`, { as: 'admin' })
  assert.equal((at(detailed, 'tenant_usages', 0, 'server_usages') as unknown[]).length, 2)

  const page = async (query: string, version = '2.40') => {
    const answer = await it.call('GET', `${path}/${PROJECT}?${span}${query}`, { version })
    const found = at(answer, 'tenant_usage', 'server_usages') as { instance_id: string }[] | undefined
    return [found?.map((one) => one.instance_id), String(at(answer, 'tenant_usage_links', 0, 'href') ?? '')] as const
  }
  const [first, second] = [ids[1] ?? '', ids[2] ?? ''].toSorted((a, b) => (a < b ? -1 : 1))
  const [one, next] = await page('&limit=1')
  assert.deepEqual([one, next.includes(`marker=${first}`)], [[first], true])
  assert.deepEqual((await page(`&limit=1&marker=${first}`))[0], [second])
  assert.deepEqual(await page(`&limit=1&marker=${second}`), [undefined, ''])
  assert.equal((await page('&limit=1', '2.39'))[0]?.length, 2, 'there were no pages')
  assert.equal((await it.call('GET', `${path}/${PROJECT}?marker=x`, { version: '2.40' })).status, 400)
})

test('users see their own project, and times must be times in order', async (t) => {
  const it = await cloud(t)
  const status = async (query: string, as = 'member') => (await it.call('GET', `${path}${query}`, { as })).status
  assert.deepEqual(
    [
      await status(`/${PROJECT}`),
      await status(`/${PROJECT}`, 'reader'),
      await status(`/${PROJECT}`, 'admin'),
      await status(`/${ADMIN_PROJECT}`),
      await status(''),
      await status('?start=yesterday', 'admin'),
      await status(`?start=${text(1)}&end=${text(0)}`, 'admin'),
    ],
    [200, 200, 200, 403, 403, 400, 400],
  )
  assert.deepEqual((await it.call('GET', `${path}/${PROJECT}`)).body, { tenant_usage: {} })
})
