/** A disk that is full: shown by the limit on a file's size that a process can be given, which fails in the same place. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

/** Receives two megabytes and prints the status and the words of the refusal. */
const PROGRAM = `
  import { Readable } from 'node:stream'
  const { openContent } = await import(process.argv[1])
  const content = await openContent(process.argv[2], 1e9)
  const stream = Readable.from(Array.from({ length: 20 }, () => Buffer.alloc(100_000, 1)))
  await content.receive(stream, 'raw').catch(({ status, message }) => console.log(status, message))
`

test('an image that does not fit on the disk is a 413 and leaves nothing', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'kilonova-full-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const shell = 'ulimit -f 1000 && exec "$0" --input-type=module -e "$1" "$2" "$3"'
  const run = promisify(execFile)
  const { stdout } = await run('sh', [
    '-c',
    shell,
    process.execPath,
    PROGRAM,
    join(import.meta.dirname, 'content.ts'),
    directory,
  ])
  assert.equal(stdout, '413 There is not enough disk space for the image.\n')
  assert.deepEqual(await readdir(join(directory, 'uploads')), [])
})
