/** Empty disks as files: made once, sparse, nobody else's; kept aside for new ones, with what UEFI keeps. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { dropDisksAside, setDisksAside, takeDisksBack } from './aside.ts'
import { serverFiles } from './files.ts'
import { createLocalDisks } from './local-disks.ts'

const MB = 1024 ** 2

async function firstBytes(path: string, count: number): Promise<string> {
  const file = await open(path)
  const { buffer } = await file.read(Buffer.alloc(count), 0, count, 0).finally(() => file.close())
  return buffer.toString()
}

function world(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'local-disks-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const files = serverFiles(folder, 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee')
  const make = (ephemeralsGb: readonly number[]) =>
    createLocalDisks(files, { ephemeralsGb, swapMb: 0 }, { host: 'h1', format: null })
  return { files, make, names: () => readdirSync(files.folder).toSorted() }
}

test('each is as large as asked, takes no room yet, and is made once', async (t) => {
  const { files, make, names } = world(t)
  await make([1, 2])
  const first = join(files.folder, 'disk.eph0')
  writeFileSync(first, 'used', { flag: 'r+' })
  await make([1, 2])
  assert.deepEqual(names(), ['disk.eph0', 'disk.eph1'])
  assert.equal(await firstBytes(first, 4), 'used')
  const { size, blocks, mode } = statSync(join(files.folder, 'disk.eph1'))
  assert.equal(size, 2048 * MB)
  assert.ok(blocks * 512 < MB, 'sparse')
  assert.equal(mode & 0o777, 0o600)
})

test('they go aside with the root disk and the firmware’s memory, and come back', async (t) => {
  const { files, make, names } = world(t)
  await setDisksAside(files)
  await make([1])
  for (const path of [files.disk, files.nvram]) writeFileSync(path, 'old')
  await setDisksAside(files)
  assert.deepEqual(names(), ['disk.eph0.old', 'disk.old', 'nvram.fd.old'])
  await make([1])
  writeFileSync(files.disk, 'new')
  await setDisksAside(files)
  assert.equal(readFileSync(`${files.disk}.old`, 'utf8'), 'old', 'what is aside already is the older one')
  await takeDisksBack(files)
  assert.deepEqual(names(), ['disk', 'disk.eph0', 'nvram.fd'])
  assert.equal(readFileSync(files.disk, 'utf8'), 'old')
  await setDisksAside(files)
  await dropDisksAside(files)
  assert.deepEqual(names(), [])
})
