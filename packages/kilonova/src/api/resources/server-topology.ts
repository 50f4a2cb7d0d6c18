/** A server's NUMA topology: none is ever made, which is what upstream answers of a server without one. */
import { get } from '../resource.ts'
import { serverTarget } from './server-target.ts'

export const serverTopology = [
  get('/servers/:id/topology', {
    policy: 'compute:server:topology:index',
    since: '2.78',
    target: serverTarget,
    run: async () => ({ nodes: [], pagesize_kb: null }),
    view: (topology) => topology,
  }),
]
