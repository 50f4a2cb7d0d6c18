/** A Keystone of our own, from Debian's package: SQLite, keys and configuration in a scratch folder, a free port on loopback, gone when the test ends. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

export interface PrivateKeystone {
  /** `http://127.0.0.1:<port>`; the API is under `/v3`. */
  readonly url: string
  /** Of user `admin`, who has role `admin` on project `admin` and on the system. */
  readonly adminPassword: string
  close(): Promise<void>
}

const START_MS = 240_000
const [USER, GROUP] = ['nobody', 'nogroup']
const run = promisify(execFile)

export async function privateKeystone(): Promise<PrivateKeystone> {
  if (!existsSync('/usr/bin/keystone-manage')) throw new Error('Keystone is not installed: scripts/setup e2e does that')
  const folder = mkdtempSync(join(tmpdir(), 'kilonova-keystone-'))
  const file = (name: string) => join(folder, name)
  const adminPassword = randomBytes(12).toString('hex')
  let server: ChildProcess | undefined
  const close = async (): Promise<void> => {
    if (server && server.exitCode === null && server.signalCode === null) {
      server.kill('SIGKILL')
      await once(server, 'exit')
    }
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    for (const keys of ['fernet', 'credential']) mkdirSync(file(keys), { mode: 0o700 })
    writeFileSync(file('keystone.conf'), configuration(folder))
    const root = process.getuid?.() === 0
    // It is no program for root.
    if (root) {
      chmodSync(folder, 0o755)
      await run('chown', ['-R', `${USER}:${GROUP}`, folder])
    }
    const [program = '', ...first] = root
      ? ['setpriv', `--reuid=${USER}`, `--regid=${GROUP}`, '--clear-groups']
      : ['env']
    const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', HOME: folder, OS_KEYSTONE_CONFIG_DIR: folder }
    const manage = (...args: readonly string[]) =>
      run(program, [...first, '/usr/bin/keystone-manage', '--config-file', file('keystone.conf'), ...args], {
        cwd: folder,
        env: { ...env, OS_BOOTSTRAP_PASSWORD: adminPassword },
      })
    await manage('db_sync')
    // It reads over one connection while it writes over another.
    const database = new DatabaseSync(file('keystone.sqlite'))
    database.exec('PRAGMA journal_mode = WAL')
    database.close()
    await manage('fernet_setup', ...(root ? ['--keystone-user', USER, '--keystone-group', GROUP] : []))
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const urls = ['admin', 'internal', 'public'].flatMap((face) => [`--bootstrap-${face}-url`, `${url}/v3`])
    await manage('bootstrap', '--bootstrap-region-id', 'RegionOne', ...urls)

    let said = ''
    const started = spawn(
      program,
      [...first, '/usr/bin/keystone-wsgi-public', '--host', '127.0.0.1', '--port', String(port)],
      { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] },
    )
    server = started
    for (const stream of [started.stdout, started.stderr])
      stream.on('data', (data: Buffer) => (said = `${said}${data.toString()}`.slice(-10_000)))
    for (const until = Date.now() + START_MS; !(await answers(`${url}/v3`)); await pause(50)) {
      if (started.exitCode !== null || Date.now() > until) throw new Error(`Keystone did not start:\n${said}`)
    }
    return { url, adminPassword, close }
  } catch (error) {
    await close()
    throw error
  }
}

const configuration = (folder: string): string =>
  [
    '[database]',
    `connection = sqlite:///${join(folder, 'keystone.sqlite')}`,
    // The tests are about tokens: passwords need not cost what they cost in earnest.
    '[identity]',
    'password_hash_rounds = 4',
    '[token]',
    'provider = fernet',
    '[fernet_tokens]',
    `key_repository = ${join(folder, 'fernet')}`,
    '[fernet_receipts]',
    `key_repository = ${join(folder, 'fernet')}`,
    '[credential]',
    `key_repository = ${join(folder, 'credential')}`,
    '[cache]',
    'enabled = false',
    '',
  ].join('\n')

const answers = (url: string): Promise<boolean> =>
  fetch(url).then(
    async (answer) => (await answer.text(), answer.ok),
    () => false,
  )

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
