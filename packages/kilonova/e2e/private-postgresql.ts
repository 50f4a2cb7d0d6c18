/** A PostgreSQL server of our own, from Debian's package: a scratch folder, a free port on loopback, gone when the test ends. */
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, existsSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface PrivatePostgresql {
  /** `postgresql://postgres:<password>@127.0.0.1:<port>`: databases are made on it by whoever tests. */
  readonly url: string
  close(): Promise<void>
}

/** Its binaries refuse root; Debian's package brings a user for them. */
const asItsUser = (command: readonly string[]): readonly [string, readonly string[]] => {
  const [program = '', ...args] =
    process.getuid?.() === 0
      ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups', ...command]
      : command
  return [program, args]
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

export async function privatePostgresql(): Promise<PrivatePostgresql> {
  const bin = globSync('/usr/lib/postgresql/*/bin').toSorted().at(-1)
  if (bin === undefined) throw new Error('PostgreSQL is not installed: scripts/setup e2e does that')
  const folder = mkdtempSync(join(tmpdir(), 'kilonova-postgresql-'))
  const data = join(folder, 'data')
  const password = randomBytes(12).toString('hex')
  mkdirSync(data)
  writeFileSync(join(folder, 'password'), password, { mode: 0o600 })
  chmodSync(folder, 0o755)
  if (process.getuid?.() === 0) execFileSync('chown', ['-R', 'postgres:postgres', folder])
  const run = (command: readonly string[]) => {
    const [program, args] = asItsUser(command)
    return execFileSync(program, args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
  }
  run([
    `${bin}/initdb`,
    '-D',
    data,
    '-U',
    'postgres',
    '--auth=scram-sha-256',
    `--pwfile=${join(folder, 'password')}`,
    '--encoding=UTF8',
    '--locale=C.UTF-8',
    '--no-sync',
  ])

  const port = await freePort()
  const options = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: folder,
    max_connections: 200,
    fsync: 'off',
    shared_buffers: '64MB',
  }
  const [program, args] = asItsUser([
    `${bin}/postgres`,
    '-D',
    data,
    ...Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ])
  const server = spawn(program, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(server, 'exit')
  const said: string[] = []
  await new Promise<void>((resolve, reject) => {
    server.stderr.setEncoding('utf8').on('data', (text: string) => {
      said.push(text)
      if (text.includes('ready to accept connections')) resolve()
    })
    ended.then(() => reject(new Error(`PostgreSQL did not start:\n${said.join('')}`)), reject)
  })
  return {
    url: `postgresql://postgres:${password}@127.0.0.1:${port}`,
    close: async () => {
      // SIGINT is its fast shutdown.
      server.kill('SIGINT')
      await ended
      if (existsSync(folder)) rmSync(folder, { recursive: true, force: true })
    },
  }
}
