// The stock clients of Debian as people run them, one process per command: `openstack`, told by clouds.yaml where the cloud is, and `nova`, by its environment.
import { execFile } from 'node:child_process'
import { basename } from 'node:path'
import { promisify } from 'node:util'
import type { CloudProcess } from './cloud-process.ts'

const run = promisify(execFile)
const LIMIT_MS = 120_000

export interface StockClient {
  /** What the command printed. Errors: Error with what it said, when its exit code is not 0. */
  run(...command: readonly string[]): Promise<string>
  json<T = Readonly<Record<string, unknown>>>(...command: readonly string[]): Promise<T>
  /** One field of what a command shows. */
  value(field: string, ...command: readonly string[]): Promise<string>
  /** What a command said that must fail. */
  refusal(...command: readonly string[]): Promise<string>
}

/** `from` is what the command line begins with, for a client that is somewhere else: it ends where a program and its arguments follow. */
export function stockClient(
  cloud: Pick<CloudProcess, 'cloudsYaml'>,
  who: 'kilonova' | 'kilonova-admin' = 'kilonova',
  from: readonly string[] = [],
): StockClient {
  const env = { OS_CLIENT_CONFIG_FILE: cloud.cloudsYaml, OS_CLOUD: who }
  return clientOf([...from, '/usr/bin/openstack'], env)
}

export type NovaClient = Pick<StockClient, 'run' | 'refusal'>

/** `nova` prints tables only: there is no `json`, and no `value`. It asks for the newest microversion that it knows, 2.92 at most. */
export function novaClient(cloud: CloudProcess, who: 'demo' | 'admin'): NovaClient {
  return clientOf(['/usr/bin/nova'], cloud.openrc(who))
}

function clientOf([program = '', ...first]: readonly string[], options: Readonly<Record<string, string>>): StockClient {
  const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', ...options }
  const name = basename(program)
  const call = async (command: readonly string[]): Promise<string> => {
    try {
      const { stdout } = await run(program, [...first, ...command], {
        env,
        timeout: LIMIT_MS,
        maxBuffer: 16 * 1024 * 1024,
      })
      return stdout
    } catch (error) {
      const { stderr = '', code } = error as { stderr?: string; code?: number }
      throw new Error(`${name} ${command.join(' ')}: ended with ${code}: ${stderr.trim()}`, { cause: error })
    }
  }
  return {
    run: (...command) => call(command),
    json: async <T>(...command: readonly string[]) => JSON.parse(await call([...command, '-f', 'json'])) as T,
    value: async (field, ...command) => (await call([...command, '-f', 'value', '-c', field])).trim(),
    refusal: async (...command) => {
      try {
        await call(command)
      } catch (error) {
        return (error as Error).message
      }
      throw new Error(`${name} ${command.join(' ')} should have failed`)
    },
  }
}
