/** The example of the README runs and says what it should. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { fakeLibvirtd } from './fake/fake-libvirtd.ts'

test('examples/lifecycle.ts', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'libvirt-example-'))
  t.after(() => rm(dir, { recursive: true }))
  const path = join(dir, 'sock')
  const fake = await fakeLibvirtd({ listen: { path } })
  t.after(() => fake.close())
  const xml = join(dir, 'domain.xml')
  await writeFile(xml, '<domain><name>web</name><memory>65536</memory></domain>')
  const example = join(import.meta.dirname, '../examples/lifecycle.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [example, path, xml])
  assert.deepEqual(stdout.trim().split('\n'), [
    'web runs',
    'nobody is not there',
    'console: R',
    'web stopped',
    'connection over: closed by us',
  ])
  assert.equal(fake.hypervisor.domains.size, 0)
})
