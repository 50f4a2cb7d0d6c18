/** Five thousand connections from one stranger: whoever asks `/healthz` is answered in time. */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { exchange } from '@kilonova/base/http/client.ts'
import { oneCloud, type OneCloud } from '../test/one-cloud.ts'

const SERVICES = ['compute', 'identity', 'image', 'network', 'metadata'] as const

let folder = ''
let cloud: OneCloud
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'flood-'))
  cloud = await oneCloud(join(folder, 'state'))
})
after(async () => {
  await cloud.close()
  rmSync(folder, { recursive: true })
})

const portOf = (service: string): number => Number(new URL(cloud.urls[service] ?? '').port)

test('five thousand connections that say nothing, or half of something, keep nobody from being answered', async (t) => {
  const CONNECTIONS = 5_000
  for (const service of SERVICES) {
    const flood = fork(join(import.meta.dirname, 'flood.ts'), [String(portOf(service)), String(CONNECTIONS)])
    try {
      const [open] = (await once(flood, 'message')) as [number]
      assert.equal(open, CONNECTIONS, 'the flood itself came about')
      const waits: number[] = []
      for (let round = 0; round < 20; round++) {
        const began = performance.now()
        const { status } = await exchange({ method: 'GET', url: `http://127.0.0.1:${portOf(service)}/healthz` })
        waits.push(performance.now() - began)
        assert.equal(status, 200)
      }
      const [slowest = 0, second = 0] = waits.toSorted((a, b) => b - a)
      t.diagnostic(`${service}: the slowest of 20 answers took ${slowest.toFixed(1)} ms`)
      assert.ok(second < 100, `two of 20 answers of /healthz took more than ${second} ms`)
    } finally {
      flood.kill('SIGKILL')
      await once(flood, 'exit')
    }
  }
})
