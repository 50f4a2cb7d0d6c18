/** Config drives of both formats, made by the programs that make them and read back by others. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { configDriveFormat, createConfigDrive, type ConfigDriveFormat } from './config-drive.ts'
import { serverFiles } from './files.ts'

const SERVER = '3f1c7a52-0d3e-4b43-9d3a-0123456789ab'
const PATH = 'openstack/2012-08-10/meta_data.json'

function place(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'config-drive-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return serverFiles(folder, SERVER)
}
const specOf = (content: string) => ({
  serverId: SERVER,
  files: { [PATH]: Buffer.from(content).toString('base64'), 'ec2/a': '' },
})
async function drive(t: TestContext, format: ConfigDriveFormat): Promise<string> {
  const files = place(t)
  await createConfigDrive(specOf('hello'), files, 'host-1', format)
  // One that is there stays, whatever is configured now.
  await createConfigDrive(specOf('another'), files, 'host-1', format === 'vfat' ? 'iso9660' : 'vfat')
  assert.deepEqual(readdirSync(files.folder), ['disk.config'])
  return files.configDrive
}
const output = (program: string, ...args: readonly string[]): string =>
  execFileSync(program, args, { encoding: 'utf8' })
const label = (file: string): string => output('blkid', '-o', 'value', '-s', 'LABEL', file).trim()

test('an iso9660 drive holds the files under their names', async (t) => {
  const file = await drive(t, 'iso9660')
  assert.equal(await configDriveFormat(file), 'iso9660')
  assert.equal(label(file), 'config-2')
  assert.equal(output('isoinfo', '-i', file, '-R', '-x', `/${PATH}`), 'hello')
  assert.equal(statSync(file).mode & 0o777, 0o600)
})

test('a vfat drive holds the files under their names', async (t) => {
  const file = await drive(t, 'vfat')
  assert.equal(await configDriveFormat(file), 'vfat')
  assert.equal(label(file), 'config-2')
  assert.equal(output('mtype', '-i', file, `::${PATH}`), 'hello')
  assert.equal(output('minfo', '-i', file, '::').includes('bad'), false)
  assert.deepEqual([statSync(file).size, statSync(file).mode & 0o777], [64 * 1024 * 1024, 0o600])
})

test('what does not fit on a drive is an error, and leaves nothing', async (t) => {
  const files = place(t)
  await assert.rejects(createConfigDrive(specOf('x'.repeat(65 * 1024 * 1024)), files, 'host-1', 'vfat'), /mcopy/)
  assert.deepEqual(readdirSync(files.folder), [])
})
