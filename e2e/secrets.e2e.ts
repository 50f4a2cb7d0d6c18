// What a real guest's start leaves where others of the machine may look: command lines and environments of every process, logs, files.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { openFiles, planted, processes, secretsIn, secretsInLogs, type Secret } from '../test/secrets/search.ts'
import { cloudProcess, type CloudProcess } from './cloud-process.ts'
import { active, idOf } from './servers.ts'

let cloud: CloudProcess
before(async () => {
  cloud = await cloudProcess({ configuration: '[DEFAULT]\ndebug = true\n' })
})
after(() => cloud.remove())

test('no secret of a guest or of a service is shown by ps, in a log, or in a file that others may read', async () => {
  const secrets: Secret[] = [planted('user data'), planted('adminPass')]
  const [userData, adminPass] = secrets.map(({ value }) => value)
  const found = new Set<string>()
  const programs = new Set<string>()
  let watching = true
  const watch = async (): Promise<void> => {
    while (watching) {
      for (const { commandLine, environment } of processes()) {
        programs.add(commandLine.split(' ')[0]?.split('/').at(-1) ?? '')
        for (const secret of secretsIn(`${commandLine} ${environment}`, secrets))
          found.add(`${secret} in ${commandLine.slice(0, 200)}`)
      }
      await turn()
    }
  }
  const watched = watch()
  try {
    await cloud.start()
    const kept = JSON.parse(readFileSync(join(cloud.stateDir, 'installation.json'), 'utf8')) as Record<string, string>
    for (const [name, value] of Object.entries(kept)) if (/Password|Secret/.test(name)) secrets.push({ name, value })
    const session = await cloud.session('demo')
    secrets.push({ name: 'token', value: session.token })
    const made = await session.call('compute', 'POST', '/os-keypairs', { keypair: { name: 'here', type: 'ssh' } })
    const key = (made.body as { keypair: { private_key: string } }).keypair.private_key.split('\n')
    secrets.push({ name: 'private key', value: key[5] ?? '' })
    const uuid = await idOf(session, 'network', '/v2.0/networks', 'private')
    const { body } = await session.call('compute', 'POST', '/servers', {
      server: {
        name: 'secretive',
        flavorRef: '42',
        imageRef: await idOf(session, 'image', '/v2/images', 'demo'),
        networks: [{ uuid }],
        key_name: 'here',
        config_drive: true,
        adminPass,
        user_data: Buffer.from(`#!/bin/sh\n: ${userData}\n`).toString('base64'),
      },
    })
    const { id } = (body as { server: { id: string } }).server
    await active(session, id)
    await session.call('compute', 'POST', `/servers/${id}/action`, { reboot: { type: 'HARD' } })
    await active(session, id)
  } finally {
    watching = false
    await watched
  }
  assert.ok(secrets.length >= 8 && secrets.every(({ value }) => value.length >= 16))
  assert.ok(
    [...programs].some((name) => name.startsWith('qemu-system')),
    `no guest was seen: ${[...programs].join(' ')}`,
  )
  assert.deepEqual([...found], [])
  assert.deepEqual(secretsIn(cloud.output(), secrets), [])
  assert.deepEqual(secretsInLogs(cloud.stateDir, secrets), [])
  for (const path of openFiles(cloud.stateDir))
    assert.deepEqual([path, secretsIn(readFileSync(path, 'latin1'), secrets)], [path, []])
})
