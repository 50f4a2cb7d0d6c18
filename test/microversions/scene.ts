/** A cloud with one of everything that microversions changed, and short ways to look at it at a version. */
import type { TestContext } from 'node:test'
import {
  at,
  cloud,
  flavorOf,
  portOf,
  PROJECT,
  server,
  settled,
  type CallOptions,
  type Cloud,
} from '@kilonova/kilonova/api/testing/cloud.ts'
import { newId } from '@kilonova/base/clock.ts'
import { insertMigration } from '@kilonova/kilonova/db/server-migrations.ts'
import { attaches } from '@kilonova/kilonova/api/testing/attaching.ts'
import { hostAnswers } from '@kilonova/kilonova/api/testing/host.ts'
import { insertFlavor } from '@kilonova/kilonova/db/flavors.ts'
import { setAddresses } from '@kilonova/kilonova/db/server-columns.ts'
import type { HttpAnswer } from '@kilonova/base/http/client.ts'

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'
export interface Scene {
  readonly it: Cloud
  /** alice's, running on host1, in `group`, tagged `red`, with one port; a live migration of it is written down. */
  readonly server: string
  /** alice's, deleted. */
  readonly deleted: string
  readonly group: string
  readonly network: string
  readonly image: string
  readonly aggregate: string
  readonly service: string
  /** Another name each time. */
  fresh(): string
  call(method: Method, path: string, version: string, json?: unknown, as?: string): Promise<HttpAnswer>
}

/** What is at a path in an answer's body. */
export const part = at
/** Whether a key is there. */
export const has = (answer: HttpAnswer, ...path: readonly (string | number)[]): boolean => {
  const parent = at(answer, ...path.slice(0, -1))
  return typeof parent === 'object' && parent !== null && String(path.at(-1)) in parent
}

export async function scene(t: TestContext): Promise<Scene> {
  const plenty = { instances: -1, cores: -1, ram: -1, server_groups: -1, key_pairs: -1 }
  const it = await cloud(t, { quota: plenty })
  hostAnswers(t, it)
  attaches(it)
  const ask = async (method: Method, path: string, options: CallOptions): Promise<HttpAnswer> => {
    const answer = await it.call(method, path, options)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`)
    return answer
  }
  const [image = '', network = ''] = [[...it.images.keys()][0], [...it.networks.keys()][0]]
  await insertFlavor(it.db, flavorOf({ id: 'private', name: 'private', isPublic: false }), it.clock.now())
  const group = await ask('POST', '/os-server-groups', {
    json: { server_group: { name: 'g', policy: 'anti-affinity', rules: { max_server_per_host: 3 } } },
    version: '2.64',
  })
  const groupId = String(at(group, 'server_group', 'id'))
  const make = await ask('POST', '/servers', {
    json: {
      server: { name: 'one', flavorRef: '1', imageRef: image, networks: [{ uuid: network, tag: 'front' }] },
      'os:scheduler_hints': { group: groupId },
    },
    version: '2.42',
  })
  const id = String(at(make, 'server', 'id'))
  await settled(it, id)
  const nic = { network: 'private', networkId: network, portId: 'p', mac: 'fa:16:3e:00:00:01' }
  await setAddresses(it.db, id, [{ ...nic, address: '10.0.0.5', version: 4 }])
  const port = portOf({ deviceId: id, networkId: network })
  it.ports.set(port.id, port)
  await ask('PUT', `/servers/${id}/tags/red`, { version: '2.26' })
  const deleted = await server(it)
  const now = it.clock.now()
  await insertMigration(it.db, {
    id: newId(),
    serverId: id,
    projectId: PROJECT,
    userId: 'alice',
    type: 'live-migration',
    status: 'running',
    sourceHost: 'host1',
    sourceHypervisor: 'host1.example',
    destHost: 'host2',
    destHypervisor: 'host2.example',
    destIp: null,
    oldFlavorNumber: null,
    newFlavorNumber: null,
    progress: null,
    createdAt: now,
    updatedAt: now,
  })
  await it.db
    .updateTable('servers')
    .set({ vm_state: 'deleted', task_state: null, deleted_at: now })
    .where('id', '=', deleted)
    .execute()
  const admin = { as: 'admin', version: '2.53' }
  const aggregate = await ask('POST', '/os-aggregates', { json: { aggregate: { name: 'a' } }, ...admin })
  const services = at(await ask('GET', '/os-services', admin), 'services') as { id: string; host: string }[]
  let number = 0
  return {
    it,
    server: id,
    deleted,
    group: groupId,
    network,
    image,
    aggregate: String(at(aggregate, 'aggregate', 'id')),
    service: services.find(({ host }) => host === 'host1')?.id ?? '',
    fresh: () => `name${(number += 1)}`,
    call: (method, path, version, json, as = 'member') =>
      it.call(method, path, { version, as, ...(json === undefined ? {} : { json }) }),
  }
}
