/** Bare metal nodes, proxied until 2.35. This cloud has no bare metal service; what upstream never did here is refused with its words. */
import { z } from 'zod'
import { ApiFault, badRequest } from '../faults.ts'
import { get, post, remove } from '../resource.ts'

const capped = { until: '2.35', lacks: 'a bare metal service' } as const
const none = async () => {
  throw new ApiFault(501, 'Ironic client unavailable, cannot access Ironic.')
}
const useIronic = (command: string) =>
  badRequest(`Command not supported. Please use Ironic command ${command} to perform this action.`)
const COMMANDS: Readonly<Record<string, string>> = { add_interface: 'port-create', remove_interface: 'port-delete' }
const anything = z.record(z.string(), z.unknown())

export const baremetalNodes = [
  get('/os-baremetal-nodes', { ...capped, policy: 'os_compute_api:os-baremetal-nodes:list', run: none }),
  get('/os-baremetal-nodes/:id', { ...capped, policy: 'os_compute_api:os-baremetal-nodes:show', run: none }),
  post('/os-baremetal-nodes', {
    ...capped,
    policy: 'none',
    body: anything,
    run: async () => {
      throw useIronic('node-create')
    },
  }),
  remove('/os-baremetal-nodes/:id', {
    ...capped,
    policy: 'none',
    run: async () => {
      throw useIronic('node-delete')
    },
  }),
  post('/os-baremetal-nodes/:id/action', {
    ...capped,
    policy: 'none',
    body: anything,
    run: async (_ctx, { body }) => {
      const [key = ''] = Object.keys(body)
      const command = COMMANDS[key]
      throw command === undefined ? badRequest(`There is no such action: ${key}`) : useIronic(command)
    },
  }),
]
