// The image cache with the real qemu-img: what other tools made is taken, and what guests do not run from becomes qcow2.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '@kilonova/base/clock.ts'
import { usableSamples } from '@kilonova/disk-image/samples.ts'
import { ticketOf } from '@kilonova/kilonova/virt/contract-values.ts'
import { openImageCache } from '@kilonova/kilonova/virt/libvirt/image-cache.ts'

const MB = 1024 ** 2
const never = new AbortController().signal
const folder = mkdtempSync(join(tmpdir(), 'image-cache-'))
let content: Buffer = Buffer.alloc(0)
const server = createServer((_request, response) => response.end(content)).listen(0, '127.0.0.1')
await once(server, 'listening')
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
const cache = await openImageCache({ instancesDir: folder, host: 'h1', clock: systemClock() })
test.after(() => {
  server.close()
  rmSync(folder, { recursive: true })
})

const raw = join(folder, 'raw')
writeFileSync(raw, randomBytes(3 * MB))
truncateSync(raw, 20 * MB)
/** As another tool would have made it; `format` is QEMU's word. */
function made(format: string, ...options: readonly string[]): Buffer {
  const file = join(folder, 'made')
  execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', format, ...options, raw, file])
  return readFileSync(file)
}
const fetched = async (bytes: Buffer, diskFormat: string) => {
  content = bytes
  const hash = createHash('sha512').update(bytes).digest('hex')
  const ticket = ticketOf({ url, diskFormat, sizeBytes: bytes.length, hash })
  await cache.fetch(ticket, () => {}, never)
  const found = await cache.find(ticket)
  assert.ok(found)
  return found
}

for (const [diskFormat, format, ...options] of [
  ['qcow2', 'qcow2'],
  ['qcow2', 'qcow2', '-o', 'compat=0.10'],
  ['qcow2', 'qcow2', '-c', '-o', 'compression_type=zstd'],
  ['qcow2', 'qcow2', '-o', 'extended_l2=on,cluster_size=128k'],
  ['vmdk', 'vmdk'],
  ['vmdk', 'vmdk', '-o', 'subformat=streamOptimized'],
  ['vdi', 'vdi'],
  ['vdi', 'vdi', '-o', 'static=on'],
  ['vhd', 'vpc'],
  ['vhd', 'vpc', '-o', 'subformat=fixed'],
  ['vhdx', 'vhdx'],
  ['vhdx', 'vhdx', '-o', 'subformat=fixed'],
] as const)
  test(`${diskFormat} ${options.join(' ')}: the disk inside is the one that was put in`, async () => {
    const found = await fetched(made(format, ...options), diskFormat)
    assert.equal(found.format, 'qcow2')
    // A vhd is rounded up to whole cylinders.
    assert.ok(found.virtualBytes >= 20 * MB && found.virtualBytes < 21 * MB)
    execFileSync('qemu-img', ['compare', '-f', 'raw', '-F', found.format, raw, found.path])
  })

test('a disk that turns out to be broken when it is converted is refused, and nothing of it is left', async () => {
  const before = readdirSync(join(folder, '_base'))
  // Its headers are right, but it has no table of blocks.
  const sample = usableSamples().find(({ declared }) => declared === 'vhdx')
  assert.ok(sample)
  await assert.rejects(fetched(sample.bytes, 'vhdx'), { name: 'ImageUnsupported', message: /cannot be converted/ })
  assert.deepEqual(readdirSync(join(folder, '_base')), before)
})
