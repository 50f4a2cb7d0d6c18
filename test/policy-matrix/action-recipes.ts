/** How each action is called so that it succeeds for whoever may. */
import { newId } from '@kilonova/base/clock.ts'
import { PROJECT, server } from '@kilonova/kilonova/api/testing/cloud.ts'
import {
  adminMakes,
  aFlavor,
  anAggregate,
  aHost,
  aThing,
  connected,
  standing,
  withAgent,
  onServer,
  type Recipe,
} from './things.ts'

/** By path and key; `json` is what stands behind the key. */
export const ACTION_RECIPES: Readonly<Record<string, Readonly<Record<string, Recipe>>>> = {
  '/flavors/{}/action': {
    addTenantAccess: async (world) => ({ names: [await aFlavor(world, false)], json: { tenant: 'someone' } }),
    removeTenantAccess: async (world) => {
      const id = await aFlavor(world, false)
      await adminMakes(world, `/flavors/${id}/action`, { addTenantAccess: { tenant: 'someone' } })
      return { names: [id], json: { tenant: 'someone' } }
    },
  },
  '/os-aggregates/{}/action': {
    add_host: async (world) => {
      await aHost(world, 'services')
      return { names: [await anAggregate(world)], json: { host: `spare${world.number}` } }
    },
    remove_host: async (world) => {
      await aHost(world, 'services')
      const id = await anAggregate(world)
      await adminMakes(world, `/os-aggregates/${id}/action`, { add_host: { host: `spare${world.number}` } })
      return { names: [id], json: { host: `spare${world.number}` } }
    },
    set_metadata: async (world) => ({ names: [await anAggregate(world)], json: { metadata: { a: 'b' } } }),
  },
  '/servers/{}/action': {
    'os-start': onServer(null, standing('stopped')),
    'os-stop': onServer(null),
    reboot: onServer({ type: 'HARD' }),
    pause: onServer(null),
    unpause: onServer(null, standing('paused')),
    suspend: onServer(null),
    resume: onServer(null, standing('suspended')),
    rebuild: async (world) => ({
      ...(await onServer(null)(world)),
      json: { imageRef: [...world.it.images.keys()][0] },
    }),
    shelve: onServer(null),
    shelveOffload: onServer(null, standing('shelved')),
    unshelve: onServer(null, standing('shelved_offloaded')),
    rescue: onServer(null),
    unrescue: onServer(null, standing('rescued')),
    createImage: onServer({ name: 'copy' }),
    createBackup: onServer({ name: 'copy', backup_type: 'daily', rotation: 1 }),
    restore: onServer(null, standing('soft-delete')),
    forceDelete: onServer(null),
    lock: onServer({ locked_reason: 'why' }),
    unlock: onServer(null),
    'os-resetState': onServer({ state: 'error' }),
    trigger_crash_dump: onServer(null),
    changePassword: onServer({ adminPass: 'secret' }, withAgent),
    'kilonova:cancel': onServer(null, ({ it }) => server(it)),
    'os-getConsoleOutput': onServer({}),
    'os-getVNCConsole': onServer({ type: 'novnc' }),
    'os-getSPICEConsole': onServer({ type: 'spice-html5' }),
    'os-getSerialConsole': onServer({ type: 'serial' }),
    addSecurityGroup: async (world) => {
      const [id, group] = [await connected(world), aThing(world, 'security-groups', { project_id: PROJECT })]
      return { names: [id], json: { name: group } }
    },
    removeSecurityGroup: async (world) => {
      const group = aThing(world, 'security-groups', { project_id: PROJECT })
      return { names: [await connected(world, { securityGroups: [group] })], json: { name: group } }
    },
    addFixedIp: async (world) => {
      const networkId = newId()
      aThing(world, 'subnets', { network_id: networkId })
      return { names: [await connected(world, { networkId })], json: { networkId } }
    },
    removeFixedIp: async (world) => ({ names: [await connected(world)], json: { address: '10.0.0.5' } }),
    addFloatingIp: async (world) => {
      const address = `198.51.100.${world.number % 250}`
      aThing(world, 'floatingips', { floating_ip_address: address, floating_network_id: 'n', port_id: null })
      return { names: [await connected(world)], json: { address } }
    },
    removeFloatingIp: async (world) => {
      const address = `198.18.0.${world.number % 250}`
      const port = newId()
      aThing(world, 'floatingips', { floating_ip_address: address, floating_network_id: 'n', port_id: port })
      return { names: [await connected(world, { id: port })], json: { address } }
    },
  },
}
