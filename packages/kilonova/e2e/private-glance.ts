/** A Glance of our own, from Debian's package: SQLite and files in a scratch folder, a free port on loopback, gone when the test ends. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

export interface PrivateGlance {
  /** `http://127.0.0.1:<port>`; the API is under `/v2`. */
  readonly url: string
  /** Makes an image one of those that were stored before Glance had SHA-512. */
  forgetSha512(imageId: string): void
  close(): Promise<void>
}

const START_MS = 60_000
const PYTHON = '/usr/bin/python3'

export async function privateGlance(identity: {
  readonly url: string
  readonly username: string
  readonly password: string
}): Promise<PrivateGlance> {
  if (!existsSync('/usr/lib/python3/dist-packages/glance'))
    throw new Error('Glance is not installed: scripts/setup e2e does that')
  const folder = mkdtempSync(join(tmpdir(), 'kilonova-glance-'))
  const port = await freePort()
  for (const name of ['images', 'staging', 'tasks', 'locks']) mkdirSync(join(folder, name))
  writeFileSync(join(folder, 'glance.conf'), configuration(folder, port, identity), { mode: 0o600 })
  writeFileSync(join(folder, 'paste.ini'), PASTE)
  const options = { cwd: folder, env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', HOME: folder } }
  const args = ['--config-file', join(folder, 'glance.conf')]
  await promisify(execFile)(PYTHON, ['-m', 'glance.cmd.manage', ...args, 'db_sync'], options)
  const database = () => new DatabaseSync(join(folder, 'glance.sqlite'), { timeout: 10_000 })
  // It reads over one connection while it writes over another.
  const made = database()
  made.exec('PRAGMA journal_mode = WAL')
  made.close()

  const log = createWriteStream(join(folder, 'log'))
  const server = spawn(PYTHON, ['-m', 'glance.cmd.api', ...args], { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  server.stdout.pipe(log)
  server.stderr.pipe(log)
  const close = async (): Promise<void> => {
    if (server.exitCode === null && server.signalCode === null) {
      server.kill('SIGKILL')
      await once(server, 'exit')
    }
    rmSync(folder, { recursive: true, force: true })
  }
  const url = `http://127.0.0.1:${port}`
  for (const until = Date.now() + START_MS; !(await answers(url)); await pause(50))
    if (server.exitCode !== null || Date.now() > until) {
      const said = readFileSync(join(folder, 'log'), 'utf8').slice(-3000)
      await close()
      throw new Error(`Glance does not start; it said:\n${said}`)
    }
  return {
    url,
    forgetSha512: (imageId) => {
      const open = database()
      open.prepare('update images set os_hash_algo = null, os_hash_value = null where id = ?').run(imageId)
      open.close()
    },
    close,
  }
}

const answers = (url: string): Promise<boolean> =>
  fetch(url).then(
    async (answer) => (await answer.text(), true),
    () => false,
  )

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  await new Promise((closed) => probe.close(closed))
  return port
}

const configuration = (
  folder: string,
  port: number,
  { url, username, password }: { readonly url: string; readonly username: string; readonly password: string },
): string => `[DEFAULT]
bind_host = 127.0.0.1
bind_port = ${port}
# One process, which is then easily ended.
workers = 0
enabled_backends = file1:file
enabled_import_methods = [glance-direct,web-download]
[glance_store]
default_backend = file1
[file1]
filesystem_store_datadir = ${folder}/images
[os_glance_tasks_store]
filesystem_store_datadir = ${folder}/tasks
[os_glance_staging_store]
filesystem_store_datadir = ${folder}/staging
[database]
connection = sqlite:///${folder}/glance.sqlite
[paste_deploy]
config_file = ${folder}/paste.ini
[oslo_concurrency]
lock_path = ${folder}/locks
[keystone_authtoken]
auth_type = password
auth_url = ${url}
www_authenticate_uri = ${url}
username = ${username}
password = ${password}
project_name = service
user_domain_id = default
project_domain_id = default
token_cache_time = -1
`

const PASTE = `[pipeline:glance-api]
pipeline = authtoken context rootapp
[composite:rootapp]
paste.composite_factory = glance.api:root_app_factory
/: apiversions
/v2: apiv2app
[app:apiversions]
paste.app_factory = glance.api.versions:create_resource
[app:apiv2app]
paste.app_factory = glance.api.v2.router:API.factory
[filter:context]
paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
delay_auth_decision = true
`
