/** For tests: the three services on free ports over databases in memory, people to call them, and a clock that can be moved. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase } from '@kilonova/base/database/open.ts'
import { exchange, type HttpAnswer, type HttpRequest } from '@kilonova/base/http/client.ts'
import { silentLog, type Facts, type Log } from '@kilonova/base/log.ts'
import { sql } from 'kysely'
import { startIdentity, type Identity } from './identity/server.ts'
import { startImage, type ImageOptions, type ImageService } from './image/server.ts'
import { testClock, type TestClock } from './test-clock.ts'
import { startNetwork, type NetworkOptions, type NetworkService } from './network/server.ts'

/** A log that can be waited on: `await log.next('upload failed')`. */
export interface TestLog extends Log {
  next(phrase: string): Promise<Facts>
}

export function testLog(): TestLog {
  const waiting: { readonly phrase: string; readonly done: (facts: Facts) => void }[] = []
  const hear = (phrase: string, facts: Facts = {}) => {
    for (const waiter of waiting.filter((each) => each.phrase === phrase)) {
      waiting.splice(waiting.indexOf(waiter), 1)
      waiter.done(facts)
    }
  }
  const log: TestLog = {
    ...silentLog,
    info: hear,
    warn: hear,
    error: hear,
    with: () => log,
    in: () => log,
    next: (phrase) => new Promise((done) => waiting.push({ phrase, done })),
  }
  return log
}

/** In memory, or a new one on the server that `KILONOVA_TEST_POSTGRESQL` names (`postgresql://user@host:port`). */
export async function freshDatabase(): Promise<string> {
  const server = process.env['KILONOVA_TEST_POSTGRESQL']
  if (server === undefined) return 'sqlite::memory:'
  const name = `companions_${randomUUID().replaceAll('-', '')}`
  const maintenance = openDatabase({ url: `${server}/postgres`, synchronous: 'normal' })
  await sql`create database ${sql.ref(name)}`.execute(maintenance.kysely)
  await maintenance.close()
  return `${server}/${name}`
}

export const PLAN = {
  projects: [{ name: 'admin' }, { name: 'service' }, { name: 'demo', description: 'For trying' }, { name: 'other' }],
  users: [
    { name: 'admin', password: 'admin-secret' },
    { name: 'kilonova', password: 'service-secret' },
    { name: 'demo', password: 'demo-secret', defaultProject: 'demo' },
    { name: 'reader', password: 'reader-secret' },
    { name: 'other', password: 'other-secret' },
  ],
  assignments: [
    { user: 'admin', project: 'admin', role: 'admin' },
    { user: 'kilonova', project: 'service', role: 'service' },
    { user: 'demo', project: 'demo', role: 'member' },
    { user: 'reader', project: 'demo', role: 'reader' },
    { user: 'other', project: 'other', role: 'member' },
  ],
  services: [],
} as const

type Name = (typeof PLAN.users)[number]['name']

/** Speaks JSON to one service as one person. */
export interface Person {
  readonly token: string
  readonly projectId: string
  call(
    method: HttpRequest['method'],
    path: string,
    json?: unknown,
    headers?: Record<string, string>,
  ): Promise<HttpAnswer>
}

export interface TestIdentity {
  readonly identity: Identity
  readonly clock: TestClock
  /** Project name -> id. */
  readonly projects: Readonly<Record<string, string>>
  /** With a new token, talking to the service at `url`. */
  person(name: Name, url?: string): Promise<Person>
  close(): Promise<void>
}

export async function testIdentity(tokenLifetimeSeconds = 3600): Promise<TestIdentity> {
  const clock = testClock()
  const identity = await startIdentity({
    host: '127.0.0.1',
    port: 0,
    databaseUrl: await freshDatabase(),
    log: silentLog,
    clock,
    region: 'here',
    tokenLifetimeSeconds,
  })
  const { projects } = await identity.bootstrap({
    ...PLAN,
    services: [
      { type: 'identity', name: 'keystone', url: `${identity.url}/v3` },
      { type: 'compute', name: 'nova', url: 'http://127.0.0.1:8774/v2.1/%(project_id)s' },
    ],
  })
  return {
    identity,
    clock,
    projects,
    person: (name, url = identity.url) => logIn(identity.url, url, name),
    close: () => identity.close(),
  }
}

async function logIn(identityUrl: string, url: string, name: Name): Promise<Person> {
  const { password } = PLAN.users.find((user) => user.name === name) ?? { password: '' }
  const { project } = PLAN.assignments.find((assignment) => assignment.user === name) ?? { project: '' }
  const answer = await exchange({
    method: 'POST',
    url: `${identityUrl}/v3/auth/tokens`,
    json: passwordAuth(name, password, { project: { name: project, domain: { id: 'default' } } }),
  })
  const token = String(answer.headers['x-subject-token'])
  const { project: scope } = (answer.body as { token: { project: { id: string } } }).token
  return {
    token,
    projectId: scope.id,
    call: (method, path, json, headers = {}) =>
      exchange({
        method,
        url: `${url}${path}`,
        headers: { 'x-auth-token': token, ...headers },
        ...(json === undefined ? {} : { json }),
      }),
  }
}

export const passwordAuth = (name: string, password: string, scope?: unknown) => ({
  auth: {
    identity: { methods: ['password'], password: { user: { name, domain: { id: 'default' }, password } } },
    ...(scope === undefined ? {} : { scope }),
  },
})

const credentials = { username: 'kilonova', password: 'service-secret', projectName: 'service' }

export interface TestImage extends TestIdentity {
  readonly image: ImageService
  readonly directory: string
  readonly log: TestLog
}

export async function testImage(
  options: Partial<Pick<ImageOptions, 'maxImageBytes' | 'limits' | 'quota' | 'webSources' | 'resolve'>> = {},
): Promise<TestImage> {
  const neighbours = await testIdentity()
  const directory = await mkdtemp(join(tmpdir(), 'kilonova-image-'))
  const log = testLog()
  const image = await startImage({
    host: '127.0.0.1',
    port: 0,
    directory,
    databaseUrl: await freshDatabase(),
    identityUrl: neighbours.identity.url,
    serviceCredentials: credentials,
    log,
    clock: neighbours.clock,
    ...options,
  })
  return {
    ...neighbours,
    image,
    directory,
    log,
    person: (name, url = image.url) => neighbours.person(name, url),
    close: async () => {
      await image.close()
      await neighbours.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export interface TestNetwork extends TestIdentity {
  readonly network: NetworkService
}

export async function testNetwork(
  options: Partial<Pick<NetworkOptions, 'defaultGroupRules'>> = {},
): Promise<TestNetwork> {
  const neighbours = await testIdentity()
  const network = await startNetwork({
    host: '127.0.0.1',
    port: 0,
    databaseUrl: await freshDatabase(),
    identityUrl: `${neighbours.identity.url}/v3`,
    serviceCredentials: credentials,
    log: silentLog,
    clock: neighbours.clock,
    defaultMtu: 1450,
    ...options,
  })
  return {
    ...neighbours,
    network,
    person: (name, url = network.url) => neighbours.person(name, url),
    close: async () => {
      await network.close()
      await neighbours.close()
    },
  }
}
