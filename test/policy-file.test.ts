/** An operator's policy.yaml in a whole cloud: it is refused when it is wrong, holds at once, and is followed while the cloud runs. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { oneCloud, until, type OneCloud, type Person } from './one-cloud.ts'

const SERVICES = 'os_compute_api:os-services:list'
let folder = ''
let file = ''
let cloud: OneCloud
let demo: Person
let admin: Person

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kilonova-policy-'))
  file = join(folder, 'policy.yaml')
  await writeFile(file, `# members see services\n"${SERVICES}": "rule:watchers"\n`)
  await assert.rejects(oneCloud(folder), {
    name: 'ConfigError',
    message: `${file}, line 2: rule "${SERVICES}" is wrong: it names rule "watchers", which is not defined`,
  })
  await writeFile(file, `"${SERVICES}": "rule:watchers"\n"watchers": "role:member"\n"nothing:has:this:name": "@"\n`)
  cloud = await oneCloud(folder)
  demo = await cloud.logIn('demo')
  admin = await cloud.logIn('admin')
})
after(async () => {
  await cloud.close()
  await rm(folder, { recursive: true, force: true })
})

const services = (who: Person) => who.call('GET', '/os-services')
const logged = async (): Promise<string> => {
  cloud.flush()
  return readFile(join(folder, 'log/kilonova.log'), 'utf8')
}

test('a rule of the file holds from the start, and one that nothing asks for is told of', async () => {
  assert.equal((await services(demo)).status, 200)
  assert.equal((await demo.call('GET', '/os-hypervisors')).status, 403)
  assert.match(await logged(), /"level":"warn".*nothing:has:this:name/)
})

test('a change holds within seconds, against administrators too; a wrong one changes nothing', async () => {
  await writeFile(file, `"${SERVICES}": "!"\n`)
  const began = performance.now()
  const refused = await until(
    () => services(admin),
    ({ status }) => status === 403,
  )
  assert.ok(performance.now() - began < 10_000)
  assert.deepEqual(refused.body, {
    forbidden: { code: 403, message: `Policy doesn't allow ${SERVICES} to be performed.` },
  })
  await writeFile(file, `"${SERVICES}": "role:admin and"\n`)
  let log = ''
  while (!log.includes('policy files are wrong')) {
    assert.equal((await services(admin)).status, 403)
    log = await logged()
  }
  assert.match(log, /"level":"error".*line 1: rule .*it ends where a check is expected/)
  await rm(file)
  await until(
    () => services(admin),
    ({ status }) => status === 200,
  )
  assert.equal((await services(demo)).status, 403)
})
