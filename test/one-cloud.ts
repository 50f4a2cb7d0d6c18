/** For tests: the whole cloud of `npm start -- --driver fake` in this process, on free ports, and people who speak HTTP to it. */
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { exchange, type HttpAnswer } from '@kilonova/base/http/client.ts'
import { openLog, type LogOptions } from '@kilonova/base/log.ts'
import { startCloud } from '@kilonova/cloud/cloud.ts'
import { configurationOf } from '@kilonova/cloud/configuration.ts'
import { parseOptions } from '@kilonova/cloud/options.ts'
import { openSession } from '@kilonova/cloud/session.ts'
import { openStateDir, type Secrets } from '@kilonova/cloud/state-dir.ts'
import type { KilonovaConfig } from '@kilonova/kilonova/config/index.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'
export interface Person {
  readonly token: string
  /** Of the Compute API, whatever the answer. */
  call(method: Method, path: string, json?: unknown): Promise<HttpAnswer>
}
export interface OneCloud {
  readonly urls: Readonly<Record<string, string>>
  logIn(name: 'demo' | 'admin'): Promise<Person>
  /** As SIGHUP does. */
  readCertificate(): void
  /** Writes the log down. */
  flush(): void
  close(): Promise<void>
}

const PORTS = [8774, 5000, 9292, 9696, 8775, 6080, 6083]

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}

/** An offset at which every port of a cloud is free. */
async function freeOffset(): Promise<number> {
  for (;;) {
    const offset = randomInt(11_000, 22_000)
    if ((await Promise.all(PORTS.map((port) => isFree(port + offset)))).every(Boolean)) return offset
  }
}

export const personOf = (computeUrl: string, token: string): Person => ({
  token,
  call: (method, path, json) =>
    exchange({
      method,
      url: `${computeUrl}/v2.1${path}`,
      headers: { 'x-auth-token': token, 'openstack-api-version': 'compute 2.90' },
      ...(json === undefined ? {} : { json }),
    }),
})

export interface CloudSettings {
  /** What no option of `npm start` can say: the configuration that is used instead. */
  readonly configured?: (config: KilonovaConfig, secrets: Secrets) => KilonovaConfig
  readonly log?: Pick<LogOptions, 'level' | 'json'>
}

/** `more` are options of `npm start`. */
export async function oneCloud(
  stateDir: string,
  env: NodeJS.ProcessEnv = {},
  more: readonly string[] = [],
  { configured = (config) => config, log: { level, json } = { level: 'info', json: true } }: CloudSettings = {},
): Promise<OneCloud> {
  const args = [
    '--driver',
    'fake',
    '--hosts',
    '2',
    '--state-dir',
    stateDir,
    '--port-offset',
    String(await freeOffset()),
    '--no-demo',
    ...more,
  ]
  const options = parseOptions(args, {})
  if (options === 'help') throw new Error('nobody asked for help')
  const state = openStateDir(stateDir)
  const log = openLog({ level, json, file: join(stateDir, 'log/kilonova.log') })
  const config = configured(configurationOf(options, state), state.secrets)
  const quiet = { step: <T>(_name: string, work: () => Promise<T>) => work(), say: () => undefined }
  const cloud = await startCloud(options, config, state, log, quiet, env)
  const { identity, compute, image, network } = cloud.urls
  return {
    urls: cloud.urls,
    logIn: async (name) => {
      const urls = { compute, image, network }
      const { token } = await openSession({
        identityUrl: identity,
        username: name,
        password: state.secrets[`${name}Password`],
        project: name,
        urls,
      })
      return personOf(compute, token)
    },
    readCertificate: () => cloud.readCertificate(),
    flush: () => log.flush(),
    close: async () => {
      await cloud.close()
      state.release()
      log.flush()
    },
  }
}

/** Asks until the answer is as wished; HTTP has no other way. */
export async function until(
  ask: () => Promise<HttpAnswer>,
  wish: (answer: HttpAnswer) => boolean,
): Promise<HttpAnswer> {
  for (;;) {
    const answer = await ask()
    if (wish(answer)) return answer
    await delay(5)
  }
}
