/** The page of a screen: every file that a browser will ask for is there, nothing else is, and it may stand in a dashboard's frame. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proxyWorld } from './testing/proxy-world.ts'

test('the page, what it loads, and what that imports are all served, as a browser takes them', async (t) => {
  const { proxy } = await proxyWorld(t)
  const seen = new Map<string, string>()
  async function visit(path: string): Promise<void> {
    if (seen.has(path)) return
    const answer = await fetch(`${proxy.url}${path}`)
    assert.equal(answer.status, 200, path)
    const type = answer.headers.get('content-type') ?? ''
    seen.set(path, type)
    const text = await answer.text()
    if (type.startsWith('text/html'))
      for (const [, link = ''] of text.matchAll(/(?:src|href)="(?!data:)([^"]+)"/g)) await visit(`/${link}`)
    if (type.startsWith('text/javascript'))
      for (const [, from = ''] of text.matchAll(/^(?:import|export)\s+(?:[\w*{}\s,]+?\s+from\s+)?["']([^"']+)["']/gm))
        await visit(new URL(from, `http://host${path}`).pathname)
  }
  const title = /<title>(.*)<\/title>/.exec(await (await fetch(`${proxy.url}/vnc_auto.html`)).text())
  assert.equal(title?.[1], 'noVNC', 'by which monitors know it')
  await visit('/vnc_auto.html?path=%3Ftoken%3Dx')
  await visit('/vnc_lite.html')
  await visit('/novnc/core/rfb.js')
  assert.ok(seen.size > 30, `${seen.size} files`)
  assert.ok(seen.has('/vnc.js') && seen.has('/vnc.css'))
})

test('no path leads out of the folders', async (t) => {
  const { proxy } = await proxyWorld(t)
  for (const path of [
    '/novnc/package.json',
    '/novnc/core/..%2fpackage.json',
    '/novnc/core/%2e%2e/package.json',
    '/novnc/core',
    '/novnc/core/none.js',
    '/proxy.ts',
    '/page/vnc.js',
  ])
    assert.equal((await fetch(`${proxy.url}${path}`)).status, 404, path)
})

test('other pages may frame it; what it loads is its own; its address, with the token, is told to nobody', async (t) => {
  const { proxy } = await proxyWorld(t)
  const { headers } = await fetch(`${proxy.url}/vnc_auto.html`)
  assert.equal(headers.get('x-frame-options'), null)
  assert.match(headers.get('content-security-policy') ?? '', /script-src 'self';/)
  assert.equal(headers.get('referrer-policy'), 'no-referrer')
})

test('the proxy of serial lines has no page', async (t) => {
  const { proxy } = await proxyWorld(t, { kind: 'serial' })
  assert.equal((await fetch(`${proxy.url}/vnc_auto.html`)).status, 404)
})
