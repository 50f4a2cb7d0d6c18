// What a program does with a whole cloud by openstacksdk, on a real guest.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { cloudProcess, type CloudProcess } from './cloud-process.ts'
import { demoImage } from './demo-image.ts'
import { newKey } from './guest-shell.ts'
import { leftoversOf } from './leftovers.ts'

const run = promisify(execFile)

let cloud: CloudProcess
let folder = ''
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sdk-'))
  cloud = await cloudProcess()
  await cloud.start()
})
after(async () => {
  await cloud.remove()
  rmSync(folder, { recursive: true, force: true })
})

test('people, images, networks, a server and its floating IP by openstacksdk', async () => {
  const key = join(folder, 'key')
  await newKey(key)
  const before = await leftoversOf(cloud.stateDir, cloud.installationId())
  const script = [join(import.meta.dirname, 'sdk-session.py'), await demoImage(), `${key}.pub`, key]
  const { stdout } = await run('/usr/bin/python3', script, {
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', OS_CLIENT_CONFIG_FILE: cloud.cloudsYaml },
    timeout: 400_000,
  })
  assert.equal(stdout.trim(), 'done')
  assert.deepEqual(await leftoversOf(cloud.stateDir, cloud.installationId()), before)
})
