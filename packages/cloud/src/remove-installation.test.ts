/** Removing an installation: everything of it, and nothing that is not known to be one. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { NotAnInstallationError, removeInstallation } from './remove-installation.ts'
import { openStateDir, StateDirInUseError } from './state-dir.ts'

let folder = ''
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'remove-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('an installation of fake hosts is its folder', async () => {
  const path = join(folder, 'state')
  openStateDir(path).release()
  writeFileSync(join(path, 'kilonova.sqlite'), '')
  assert.deepEqual(await removeInstallation(path), [`folder ${path}`])
  assert.equal(existsSync(path), false)
})

test('a folder that is no installation stays', async () => {
  const path = join(folder, 'photos')
  mkdirSync(path)
  await assert.rejects(removeInstallation(path), NotAnInstallationError)
  await assert.rejects(removeInstallation(join(folder, 'nowhere')), NotAnInstallationError)
  assert.equal(existsSync(path), true)
})

test('an installation that runs stays', async () => {
  const path = join(folder, 'state')
  openStateDir(path).release()
  // The process that runs the tests' own process: alive, and not us.
  const parent = process.ppid
  const stat = readFileSync(`/proc/${parent}/stat`, 'utf8')
  const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  writeFileSync(join(path, 'kilonova.pid'), `${parent} ${startTime}\n`)
  await assert.rejects(removeInstallation(path), StateDirInUseError)
  assert.equal(existsSync(join(path, 'installation.json')), true)
})
