/** The addresses of a server, by the name of the network. */
import type { Server } from '../../domain/server.ts'
import { notFound } from '../faults.ts'
import { get } from '../resource.ts'
import { serverTarget } from './server-target.ts'

type ByNetwork = Readonly<Record<string, readonly { readonly version: 4 | 6; readonly addr: string }[]>>

const addresses = ({ addresses }: Server): ByNetwork =>
  Object.fromEntries(
    [...Map.groupBy(addresses, ({ network }) => network)].map(([network, found]) => [
      network,
      found.map(({ version, address }) => ({ version, addr: address })),
    ]),
  )

export const serverIps = [
  get('/servers/:id/ips', {
    policy: 'os_compute_api:ips:index',
    target: serverTarget,
    run: async (_ctx, { target }) => addresses(target),
    view: (all) => ({ addresses: all }),
  }),
  get('/servers/:id/ips/:network', {
    policy: 'os_compute_api:ips:show',
    target: serverTarget,
    run: async ({ params }, { target }): Promise<ByNetwork> => {
      const all = addresses(target)
      const name = params['network'] ?? ''
      const found = Object.hasOwn(all, name) ? all[name] : undefined
      if (!found) throw notFound('Instance is not a member of specified network')
      return { [name]: found }
    },
    view: (one) => one,
  }),
]
