/**
 * What an operator tells guests: a JSON file for all of them, and services that are asked about each. Upstream:
 * nova/api/metadata/vendordata_json.py, vendordata_dynamic.py.
 */
import { readFile } from 'node:fs/promises'
import { Agent } from 'node:https'
import { exchange } from '@kilonova/base/http/client.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { Server } from '../domain/server.ts'
import type { Keystone } from './keystone.ts'
import { unavailable } from './service.ts'

export interface VendorData {
  /** The file's content, `{}` without a file; undefined: the file is no provider. Errors: the system's, SyntaxError. */
  fixed(): Promise<unknown>
  /** The file's content as `static` and each service's answer under its name. Errors: as above, and ServiceUnavailable when failures count. */
  combined(server: Server): Promise<Readonly<Record<string, unknown>>>
}

export interface VendorDataOptions {
  readonly providers: readonly ('StaticJSON' | 'DynamicJSON')[]
  /** The file; undefined: there is none. */
  readonly file: string | undefined
  readonly targets: readonly VendorTarget[]
  readonly connectMs: number
  readonly readMs: number
  /** PEM, for targets with HTTPS; undefined: whom the machine trusts. */
  readonly certificates: string | undefined
  /** A service that fails is an error instead of an empty answer. */
  readonly fatal: boolean
  /** Whose token the services are sent; undefined: none. */
  readonly keystone: Keystone | undefined
  readonly log: Log
}
export interface VendorTarget {
  readonly name: string
  readonly url: string
}

export function vendorData(options: VendorDataOptions): VendorData {
  const { providers, file, targets, fatal, keystone } = options
  const log = options.log.in(import.meta)
  const agent = options.certificates === undefined ? undefined : new Agent({ ca: options.certificates })

  const read = async (): Promise<unknown> =>
    file === undefined ? {} : (JSON.parse(await readFile(file, 'utf8')) as unknown)

  async function post(url: string, server: Server, token: string | undefined) {
    return exchange({
      method: 'POST',
      url,
      json: questionOf(server),
      headers: {
        'user-agent': 'openstack-nova-vendordata',
        ...(token === undefined ? {} : { 'x-auth-token': token }),
      },
      // Silence for so long, and all of it for so long.
      timeoutMs: Math.max(options.connectMs, options.readMs),
      signal: AbortSignal.timeout(options.connectMs + options.readMs),
      ...(agent ? { agent } : {}),
    })
  }
  async function answerOf(url: string, server: Server): Promise<unknown> {
    const token = await keystone?.serviceToken()
    let answer = await post(url, server, token)
    if (answer.status === 401 && keystone && token !== undefined) {
      keystone.forgetServiceToken(token)
      answer = await post(url, server, await keystone.serviceToken())
    }
    if (answer.status >= 400) throw new Error(`it answered ${answer.status}`)
    if (typeof answer.body === 'string') throw new Error('its answer is not JSON')
    return answer.body ?? {}
  }
  async function tell({ name, url }: VendorTarget, server: Server): Promise<readonly [string, unknown]> {
    try {
      return [name, await answerOf(url, server)]
    } catch (error) {
      log.warn('vendor data service failed', { target: name, server: server.id, error })
      if (!fatal) return [name, {}]
      throw unavailable(`vendor data (${name})`, error instanceof Error ? error : String(error))
    }
  }
  return {
    fixed: async () => (providers.includes('StaticJSON') ? read() : undefined),
    combined: async (server) => ({
      ...(providers.includes('DynamicJSON')
        ? Object.fromEntries(await Promise.all(targets.map((target) => tell(target, server))))
        : {}),
      ...(providers.includes('StaticJSON') ? { static: await read() } : {}),
    }),
  }
}

/** What upstream documents: user data in base64, roles with commas between them. */
const questionOf = (server: Server) => ({
  'project-id': server.projectId,
  'instance-id': server.id,
  'image-id': server.image?.id ?? '',
  'user-data': server.userData,
  hostname: server.hostname,
  metadata: server.metadata,
  'boot-roles': server.bootRoles.join(','),
})
