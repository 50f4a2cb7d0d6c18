/** Availability zones: named sets of compute hosts, made of what the hosts themselves say. */
import { isoMicros } from '@kilonova/base/clock.ts'
import { isUp } from '../../db/hosts.ts'
import { allServices, COMPUTE, type Service } from '../../db/services.ts'
import type { Ctx } from '../context.ts'
import { get } from '../resource.ts'

interface Zone {
  readonly zoneName: string
  readonly zoneState: { readonly available: boolean }
  readonly hosts: unknown
}

/** A zone is available while one of its hosts is enabled. */
async function zones({ db, config }: Ctx): Promise<readonly Zone[]> {
  const byZone = Map.groupBy(
    (await allServices(db)).filter(({ binary }) => binary === COMPUTE),
    ({ zone }) => zone,
  )
  const known = byZone.size > 0 ? [...byZone] : [[config.DEFAULT.default_availability_zone, []] as const]
  return known.map(([zoneName, services]) => ({
    zoneName,
    zoneState: { available: services.some(({ disabled }) => !disabled) },
    hosts: null,
  }))
}

async function detailed({ db, clock, config }: Ctx): Promise<readonly Zone[]> {
  const now = clock.now()
  const state = (service: Service) => ({
    available: isUp(service, now, config.DEFAULT.service_down_time * 1000),
    active: !service.disabled,
    updated_at: isoMicros(service.lastSeenAt),
  })
  return [...Map.groupBy(await allServices(db), ({ zone }) => zone)].map(([zoneName, services]) => ({
    zoneName,
    zoneState: { available: services.some(({ disabled }) => !disabled) },
    hosts: Object.fromEntries(
      [...Map.groupBy(services, ({ host }) => host)].map(([host, here]) => [
        host,
        Object.fromEntries(here.map((service) => [service.binary, state(service)])),
      ]),
    ),
  }))
}

const view = (found: readonly Zone[]) => ({ availabilityZoneInfo: found })

export const availabilityZones = [
  get('/os-availability-zone', { policy: 'os_compute_api:os-availability-zone:list', run: zones, view }),
  get('/os-availability-zone/detail', { policy: 'os_compute_api:os-availability-zone:detail', run: detailed, view }),
]
