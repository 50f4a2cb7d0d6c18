/** Services, endpoints and regions, and the catalog that is made of them. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { testRegistry, type Registry } from './testing.ts'

let it: Registry
before(async () => void (it = await testRegistry()))
after(() => it.close())

interface Entry {
  readonly type: string
  readonly name: string
  readonly endpoints: readonly { readonly url: string; readonly region: string | null; readonly interface: string }[]
}
const catalog = async (type: string): Promise<Entry | undefined> => {
  const { body } = await (await it.person('demo')).call('GET', '/v3/auth/catalog')
  return (body as { catalog: Entry[] }).catalog.find((entry) => entry.type === type)
}
const patch = (path: string, body: object) => it.admin.call('PATCH', `/v3/${path}`, body)

test('an endpoint is in the catalog with its project, while it and its service are enabled', async () => {
  const service = await it.make('services', 'service', { type: 'object-store', name: 'swift', description: 'Objects' })
  const endpoint = await it.make('endpoints', 'endpoint', {
    service_id: service,
    interface: 'public',
    url: 'http://objects/v1/AUTH_$(project_id)s',
    region: 'Second',
  })
  const found = await catalog('object-store')
  assert.deepEqual(
    [found?.name, found?.endpoints.map(({ url, region, interface: face }) => [url, region, face])],
    ['swift', [[`http://objects/v1/AUTH_${it.projects['demo']}`, 'Second', 'public']]],
  )
  await patch(`endpoints/${endpoint}`, { endpoint: { enabled: false } })
  assert.deepEqual((await catalog('object-store'))?.endpoints ?? [], [])
  await patch(`endpoints/${endpoint}`, { endpoint: { enabled: true, url: 'http://other' } })
  assert.equal((await catalog('object-store'))?.endpoints[0]?.url, 'http://other')
  await patch(`services/${service}`, { service: { enabled: false } })
  assert.equal(await catalog('object-store'), undefined)
  assert.equal((await it.admin.call('DELETE', `/v3/services/${service}`)).status, 204)
  assert.equal((await it.admin.call('GET', `/v3/endpoints/${endpoint}`)).status, 404)
})

test('an endpoint needs a service and a region that are there, an interface and a URL', async () => {
  const service = await it.make('services', 'service', { type: 'x' })
  const good = { service_id: service, interface: 'public', url: 'http://x' }
  for (const wrong of [
    { service_id: 'none' },
    { interface: 'secret' },
    { url: 'javascript:alert(1)' },
    { url: 7 },
    { region_id: 'none' },
  ])
    assert.equal(
      (await it.admin.call('POST', '/v3/endpoints', { endpoint: { ...good, ...wrong } })).status,
      400,
      JSON.stringify(wrong),
    )
  assert.equal((await it.admin.call('POST', '/v3/endpoints', { endpoint: good })).status, 201)
})

test('regions have ids of their own choosing, parents, and go only when nothing needs them', async () => {
  const post = (region: object) => it.admin.call('POST', '/v3/regions', { region })
  assert.equal((await post({ id: 'Europe', description: 'E' })).status, 201)
  assert.equal((await post({ id: 'Europe' })).status, 409)
  assert.equal((await post({ id: 'North', parent_region_id: 'Europe' })).status, 201)
  assert.equal((await post({ id: 'South', parent_region_id: 'nowhere' })).status, 404)
  assert.equal((await it.admin.call('PUT', '/v3/regions/West', { region: { description: 'W' } })).status, 201)
  assert.equal((await patch('regions/Europe', { region: { parent_region_id: 'North' } })).status, 400)
  assert.equal((await it.admin.call('DELETE', '/v3/regions/Europe')).status, 403)
  assert.equal((await it.admin.call('DELETE', '/v3/regions/North')).status, 204)
  assert.equal((await it.admin.call('DELETE', '/v3/regions/Europe')).status, 204)
  const { body } = await (await it.person('demo')).call('GET', '/v3/regions')
  assert.deepEqual((body as { regions: { id: string }[] }).regions.map(({ id }) => id).toSorted(), [
    'Second',
    'West',
    'here',
  ])
})
