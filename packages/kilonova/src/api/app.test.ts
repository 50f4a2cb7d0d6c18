/** The protocol around every resource: versions, microversions, tokens, projects in paths, and what is not there. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import { at, cloud, OTHER_PROJECT, PROJECT } from './testing/cloud.ts'

test('version documents need no token', async (t) => {
  const it = await cloud(t)
  const root = await it.call('GET', '/', { as: '', headers: {} })
  assert.equal(at(root, 'versions', 1, 'version'), '2.103')
  assert.equal(at(root, 'versions', 1, 'min_version'), '2.1')
  const one = await it.call('GET', '/v2.1/', { as: '' })
  assert.equal(at(one, 'version', 'id'), 'v2.1')
  for (const path of ['/v2.1/versions/v2.1', '/v2/versions/v2.1'])
    assert.equal(at(await it.call('GET', path, { as: '' }), 'version', 'version'), '2.103', path)
  assert.equal((await it.call('GET', '/v2.1/versions/v9', { as: '' })).status, 404)
  assert.equal(at(one, 'version', 'links', 0, 'href'), `${it.url}/v2.1/`)
  assert.equal(at(await it.call('GET', '/v2', { as: '' }), 'version', 'id'), 'v2.0')
})

test('a request says its microversion by either header, and hears it back', async (t) => {
  const it = await cloud(t)
  const ask = (headers: Record<string, string>) => it.call('GET', '/flavors', { headers })
  const plain = await ask({})
  assert.equal(plain.headers['openstack-api-version'], 'compute 2.1')
  assert.equal(plain.headers['x-openstack-nova-api-version'], '2.1')
  assert.match(String(plain.headers.vary), /OpenStack-API-Version/)
  assert.equal(
    (await ask({ 'openstack-api-version': 'volume 3.1, compute 2.53' })).headers['openstack-api-version'],
    'compute 2.53',
  )
  assert.equal(
    (await ask({ 'x-openstack-nova-api-version': 'latest' })).headers['x-openstack-nova-api-version'],
    '2.103',
  )
  const tooNew = await ask({ 'openstack-api-version': 'compute 2.104' })
  assert.deepEqual([tooNew.status, at(tooNew, 'computeFault', 'code')], [406, 406])
  const malformed = await ask({ 'openstack-api-version': 'compute banana' })
  assert.equal(malformed.status, 400)
  assert.match(String(at(malformed, 'badRequest', 'message')), /invalid format/)
})

test('every answer carries a request id, the failed ones too', async (t) => {
  const it = await cloud(t)
  for (const path of ['/flavors', '/nothing', '/servers/x']) {
    const { headers } = await it.call('GET', path)
    assert.match(String(headers['x-openstack-request-id']), /^req-[0-9a-f-]{36}$/)
    assert.equal(headers['x-compute-request-id'], headers['x-openstack-request-id'])
  }
})

test('a missing or wrong token is a 401 as every service words it, also where nothing is', async (t) => {
  const it = await cloud(t)
  for (const as of ['', 'forged'])
    for (const path of ['/servers', '/nothing']) {
      const answer = await it.call('GET', path, { as })
      assert.equal(answer.status, 401)
      assert.equal(at(answer, 'error', 'title'), 'Unauthorized')
      assert.match(String(answer.headers['www-authenticate']), /^Keystone uri="http/)
    }
})

test('the project may stand in the path, and must then be the caller’s', async (t) => {
  const it = await cloud(t)
  const own = await it.call('GET', `/${PROJECT}/flavors/1`)
  assert.equal(own.status, 200)
  assert.equal(at(own, 'flavor', 'links', 0, 'href'), `${it.url}/v2.1/${PROJECT}/flavors/1`)
  const foreign = await it.call('GET', `/${OTHER_PROJECT}/flavors/1`)
  assert.equal(foreign.status, 400)
  assert.match(String(at(foreign, 'badRequest', 'message')), /doesn't match Context's project_id/)
})

test('what is not there is 404, so is a wrong method, or a later one', async (t) => {
  const it = await cloud(t)
  const nothing = await it.call('GET', '/os-nothing')
  assert.deepEqual([nothing.status, at(nothing, 'itemNotFound', 'code')], [404, 404])
  const wrong = await it.call('DELETE', '/servers')
  assert.deepEqual([wrong.status, at(wrong, 'itemNotFound', 'code')], [404, 404])
  for (const path of ['/servers/', '/os-simple-tenant-usage/'])
    assert.equal((await it.call('GET', path, { as: 'admin' })).status, 404, 'an id that is empty')
  assert.equal(
    (await it.call('PUT', '/flavors/1', { as: 'admin', json: { flavor: { description: 'x' } }, version: '2.54' }))
      .status,
    404,
  )
  assert.equal(
    (await it.call('PUT', '/flavors/1', { as: 'admin', json: { flavor: { description: 'x' } }, version: '2.55' }))
      .status,
    200,
  )
  assert.equal((await it.call('GET', '/os-hypervisors/statistics', { as: 'admin', version: '2.88' })).status, 404)
  assert.equal((await it.call('HEAD', '/flavors')).status, 200)
})

test('extensions are the same as in every cloud', async (t) => {
  const it = await cloud(t)
  const all = at(await it.call('GET', '/extensions'), 'extensions') as { alias: string; name: string }[]
  assert.equal(all.length, 99)
  assert.equal(new Set(all.map(({ alias }) => alias)).size, 99)
  assert.equal(all.find(({ alias }) => alias === 'os-hosts')?.name, 'Hosts')
  assert.equal(at(await it.call('GET', '/extensions/NMN'), 'extension', 'name'), 'Multinic')
  assert.equal((await it.call('GET', '/extensions/constructor')).status, 404)
})

test('bodies must be JSON, of a JSON type, and not too large', async (t) => {
  const it = await cloud(t)
  const send = async (body: string, type = 'application/json') => {
    const answer = await fetch(`${it.url}/v2.1/flavors`, {
      method: 'POST',
      body,
      headers: { 'content-type': type, 'x-auth-token': 'admin' },
    })
    return [answer.status, JSON.stringify(await answer.json())] as const
  }
  assert.match(String(await send('{"flavor":')), /^400,.*Malformed request body/)
  assert.match(String(await send('')), /^400,/)
  assert.match(String(await send('<x/>', 'application/xml')), /^415,.*badMediaType/)
  assert.match(String(await send(`"${'x'.repeat(200_000)}"`)), /^413,.*overLimit/)
})

test('what is nested too deeply is refused as malformed, wherever it is', async (t) => {
  const it = await cloud(t)
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
  const send = (path: string, body: string) =>
    fetch(`${it.url}/v2.1${path}`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', 'x-auth-token': 'admin' },
    })
  const server = `{"name":"x","flavorRef":"1","imageRef":"${[...it.images.keys()][0]}"}`
  for (const [path, body] of [
    ['/flavors', deep],
    ['/flavors', `{"flavor":{"name":${deep}}}`],
    ['/servers', `{"server":${server},"os:scheduler_hints":{"x":${deep}}}`],
  ] as const)
    assert.equal((await send(path, body)).status, 400, path)
})

test('nonsense on the wire does not stop the service', async (t) => {
  const it = await cloud(t)
  const { port } = new URL(it.url)
  for (const text of ['GET / HTTP/9.9\r\n\r\n', '\0\0\0\0', 'GET /v2.1/servers%zz HTTP/1.1\r\nhost: x\r\n\r\n']) {
    const socket = connect(Number(port), '127.0.0.1')
    socket.on('error', () => undefined)
    socket.end(text)
    socket.resume()
    await once(socket, 'close')
  }
  assert.equal((await it.call('GET', '/flavors')).status, 200)
})

test('a host header that is no host is not repeated in links', async (t) => {
  const it = await cloud(t)
  const answer = await it.call('GET', '/flavors/1', { headers: { host: 'evil.example/"><script>' } })
  assert.doesNotMatch(JSON.stringify(answer.body), /evil/)
})

test('health is told, and needs no token', async (t) => {
  const it = await cloud(t)
  assert.equal((await fetch(`${it.url}/healthz`)).status, 200)
})

test('OPTIONS is no method of any resource: 401 without a token, 404 with one; of the root it is answered', async (t) => {
  const { url } = await cloud(t)
  const options = async (path: string, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${url}${path}`, { method: 'OPTIONS', headers })
    return [answer.status, Object.keys((await answer.json()) as object)[0]]
  }
  const known = { 'x-auth-token': 'member' }
  assert.deepEqual(await options('/v2.1/servers'), [401, 'error'])
  assert.deepEqual(await options('/v2.1/servers', known), [404, 'itemNotFound'])
  assert.deepEqual(await options('/v2.1/nothing', known), [404, 'itemNotFound'])
  assert.deepEqual(await options('/'), [200, 'versions'])
})
