/** `shelve` and `unshelve`: when a server leaves its host, and where it comes back. */
import { z } from 'zod'
import { shelve, shelveAndOffload } from '../../actions/shelve.ts'
import { unshelve, unshelveInPlace } from '../../actions/unshelve.ts'
import { zonesOf } from '../../db/host-zones.ts'
import { NovaError } from '../../domain/errors.ts'
import type { Server } from '../../domain/server.ts'
import type { Ctx } from '../context.ts'
import { badRequest } from '../faults.ts'
import { fqdn, name } from '../fields.ts'
import { taskRequest } from './task-request.ts'

export const shelveRequest = taskRequest<unknown>({
  key: 'shelve',
  status: 202,
  action: ({ config }) => (config.DEFAULT.shelved_offload_time === 0 ? shelveAndOffload : shelve),
  value: { '2.1': z.unknown() },
  prepare: async () => ({ body: null }),
})

interface Where {
  readonly availability_zone?: string | null | undefined
  readonly host?: string | undefined
}
const v77 = z.strictObject({ availability_zone: name }).nullable()
const v91 = z.strictObject({ availability_zone: name.nullable().optional(), host: fqdn.optional() }).nullable()

/** Errors: UnshelveNotOffloaded, UnknownAvailabilityZone, HostNotInZone, a 400 for an unknown host. */
async function placeFor(ctx: Ctx, server: Server, { availability_zone: zone, host }: Where) {
  if (host !== undefined) ctx.check('os_compute_api:os-shelve:unshelve_to_host')
  if (server.vmState !== 'shelved_offloaded' && (zone !== undefined || host !== undefined))
    throw new NovaError('UnshelveNotOffloaded', { id: server.id, state: server.vmState })
  const pinnedZone = zone === undefined ? server.pinnedZone : zone
  const hosts = zone || host !== undefined ? await zonesOf(ctx.db) : []
  if (zone && !hosts.some((each) => each.zone === zone && !each.disabled))
    throw new NovaError('UnknownAvailabilityZone', { zone })
  const known = hosts.find((each) => each.host === host)
  if (host !== undefined && !known) throw badRequest(`Compute host ${host} could not be found.`)
  if (known && pinnedZone !== null && known.zone !== pinnedZone)
    throw new NovaError('HostNotInZone', { host: known.host, zone: pinnedZone })
  return { zone: pinnedZone, onlyHost: known?.host ?? null, pinnedZone }
}

export const unshelveRequest = taskRequest<unknown>({
  key: 'unshelve',
  status: 202,
  action: (_ctx, { vmState }) => (vmState === 'shelved' ? unshelveInPlace : unshelve),
  value: { '2.1': z.unknown().transform(() => null), '2.77': v77, '2.91': v91 },
  prepare: async (ctx, server, asked) => {
    const place = await placeFor(ctx, server, asked ?? {})
    return { body: server.vmState === 'shelved' ? null : place }
  },
})
