/** `npm run bench -- lists`: pages of a thousand out of a hundred thousand servers, by each filter. The rows are copies of one real server's. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { startCloud, type MeasuredCloud } from './cloud.ts'
import { atMost, median, type Figure } from './figures.ts'

const SERVERS = 100_000
const ROUNDS = 9
const INDEXED_MS = 50
const REGEX_MS = 400
/** Every tenth server is in error, every hundredth is tagged, of the user's project, or changed lately. */
const FILTERS: Readonly<Record<string, { readonly query: string; readonly bar: number }>> = {
  status: { query: 'status=ERROR', bar: INDEXED_MS },
  host: { query: 'host=bench-7', bar: INDEXED_MS },
  project: { query: 'project_id=bench-project', bar: INDEXED_MS },
  tags: { query: 'tags=bench', bar: INDEXED_MS },
  'changes-since': { query: 'changes-since=2030-01-01T00:00:00Z', bar: INDEXED_MS },
  'exact name': { query: 'name=%5Ebench-77777%24', bar: INDEXED_MS },
  ip: { query: 'ip=10.1.47.209', bar: INDEXED_MS },
  'a name expression that fits few': { query: `name=${encodeURIComponent('^b[a-z]+-7+[0-2]$')}`, bar: REGEX_MS },
  'a name expression that fits none': { query: `name=${encodeURIComponent('(bench|other)-x+$')}`, bar: REGEX_MS },
}

export async function listsFigures(): Promise<readonly Figure[]> {
  const cloud = await startCloud(['--driver', 'fake', '--hosts', '10'])
  try {
    const token = await cloud.login('kilonova-admin')
    fill(join(cloud.stateDir, 'kilonova.sqlite'), await seedServer(cloud, token))
    const figures: Figure[] = []
    for (const [name, { query, bar }] of Object.entries(FILTERS)) {
      const url = `${cloud.urls.compute}/v2.1/servers/detail?all_tenants=1&limit=1000&${query}`
      const { body } = await cloud.call('GET', url, undefined, token)
      const { length } = (body as { servers: readonly unknown[] }).servers
      const times: number[] = []
      for (let round = 0; round < ROUNDS; round++) times.push((await cloud.raw(url, token)).ms)
      figures.push({ name: `${name} (${length} found), p50`, value: median(times), unit: 'ms', bar: atMost(bar) })
    }
    return figures
  } finally {
    await cloud.stop()
  }
}

async function seedServer(cloud: MeasuredCloud, token: string): Promise<string> {
  const get = async (url: string) => (await cloud.call('GET', url, undefined, token)).body
  const { images } = (await get(`${cloud.urls.image}/v2/images?name=demo`)) as { images: { id: string }[] }
  const { networks } = (await get(`${cloud.urls.network}/v2.0/networks?name=private`)) as { networks: { id: string }[] }
  const server = { name: 'seed', flavorRef: '42', imageRef: images[0]?.id, networks: [{ uuid: networks[0]?.id }] }
  const { body } = await cloud.call('POST', `${cloud.urls.compute}/v2.1/servers`, { server }, token)
  const { id } = (body as { server: { id: string } }).server
  for (let status = ''; status !== 'ACTIVE'; await delay(20))
    status = ((await get(`${cloud.urls.compute}/v2.1/servers/${id}`)) as { server: { status: string } }).server.status
  return id
}

/** Values of a copy that differ from the seed's; `n` counts from 1. Servers of hosts that are not there are left alone by all. */
const OWN: Readonly<Record<string, string>> = {
  id: `printf('%08x-0000-4000-8000-000000000000', n)`,
  name: `'bench-' || n`,
  hostname: `'bench-' || n`,
  project_id: `CASE WHEN n % 100 = 0 THEN 'bench-project' ELSE 'project-' || (n % 300) END`,
  host: `'bench-' || (n % 100)`,
  vm_state: `CASE WHEN n % 10 = 3 THEN 'error' ELSE 'active' END`,
  tags: `CASE WHEN n % 100 = 1 THEN '["bench"]' ELSE '[]' END`,
  created_at: 'created_at + n',
  updated_at: `CASE WHEN n % 100 = 2 THEN 1900000000000 ELSE updated_at END`,
  addresses: `json_set(addresses, '$[0].address', ${address()})`,
}
function address(): string {
  return `'10.' || (n / 65536) || '.' || (n / 256 % 256) || '.' || (n % 256)`
}

function fill(file: string, seed: string): void {
  const db = new DatabaseSync(file, { timeout: 30_000 })
  const columns = (db.prepare(`SELECT name FROM pragma_table_info('servers')`).all() as { name: string }[])
    .map(({ name }) => name)
    .filter((name) => name !== 'number')
  const numbers = `WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${SERVERS})`
  db.exec('BEGIN IMMEDIATE')
  db.exec(
    `${numbers} INSERT INTO servers (${columns.join(', ')})
     SELECT ${columns.map((name) => OWN[name] ?? name).join(', ')} FROM numbers, servers WHERE id = '${seed}'`,
  )
  const terms = `${numbers} INSERT INTO server_terms (kind, term, server_id)`
  db.exec(`${terms} SELECT 'ip4', ${OWN['addresses'] && address()}, ${OWN['id']} FROM numbers`)
  db.exec(`${terms} SELECT 'tag', 'bench', ${OWN['id']} FROM numbers WHERE n % 100 = 1`)
  db.exec('COMMIT')
  db.exec('PRAGMA optimize')
  db.close()
}
