// A process that holds the host's networks and does what its stdin says, line by line; made to be killed.
import { createInterface } from 'node:readline'
import { systemClock } from '@kilonova/base/clock.ts'
import { silentLog } from '@kilonova/base/log.ts'
import type { PortFacts, RouterFacts } from '../src/virt/driver.ts'
import { hostNetwork } from '../src/virt/network/host-network.ts'

export type Order =
  | { readonly plug: string; readonly ports: readonly PortFacts[] }
  | { readonly unplug: string }
  | { readonly routers: readonly RouterFacts[] }

const [installationId = '', stateDir = '', proxyTo = ''] = process.argv.slice(2)
const network = await hostNetwork({
  installationId,
  stateDir,
  metadata: { proxyTo, sharedSecret: 'shared' },
  log: silentLog,
  clock: systemClock(),
})
console.log('ready')
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as Order
  console.log('began')
  if ('plug' in order) await network.plug(order.plug, order.ports)
  else if ('routers' in order) await network.applyRouters(order.routers)
  else await network.unplug(order.unplug)
  console.log('done')
}
