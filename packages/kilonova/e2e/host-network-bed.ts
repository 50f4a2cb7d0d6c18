// What the tests of the host's networks share: an installation with a name of its own, ports to plug, guests to attach to them.
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@kilonova/base/clock.ts'
import { silentLog } from '@kilonova/base/log.ts'
import type { PortFacts, SecurityRule } from '../src/virt/driver.ts'
import type { HostNetworkOptions } from '../src/virt/network/host-network.ts'
import { removeStrays } from '../src/virt/network/inventory.ts'
import { namesOf, type Names } from '../src/virt/network/names.ts'
import { type VethGuest, vethGuest } from './veth-guest.ts'

export const rule = (
  direction: SecurityRule['direction'],
  protocol: string | null,
  port: number | null = null,
  remotes: string[] = [],
): SecurityRule => ({
  direction,
  version: 4,
  protocol,
  portMin: port,
  portMax: port,
  remotes,
  stateful: true,
})
export const OPEN = [rule('egress', null), rule('ingress', null)]

export interface PortWish {
  readonly network?: string
  readonly cidr?: string
  readonly gateway?: string | null
  readonly routed?: boolean
  readonly rules?: readonly SecurityRule[]
  readonly portSecurity?: boolean
  readonly mac?: string
  readonly id?: string
}

/** A port whose address ends in `number`. */
export function port(number: number, wish: PortWish = {}): PortFacts {
  const {
    network = 'net-a',
    cidr = '10.213.0.0/20',
    routed = true,
    gateway = '10.213.0.1',
    rules = OPEN,
    portSecurity = true,
  } = wish
  return {
    portId: wish.id ?? `${network}-port-${number}`,
    networkId: network,
    networkName: network,
    mac:
      wish.mac ??
      `fa:16:3e:00:${(number >> 8).toString(16).padStart(2, '0')}:${(number & 255).toString(16).padStart(2, '0')}`,
    mtu: 1450,
    fixedIps: [
      { address: cidr.replace(/\d+\.\d+\/\d+$/, `${number >> 8}.${number & 255}`), subnetId: `${network}-subnet` },
    ],
    subnets: [
      {
        id: `${network}-subnet`,
        cidr,
        gateway,
        dhcp: true,
        dnsServers: ['198.51.100.53'],
        hostRoutes: [],
        routed,
        raMode: null,
        addressMode: null,
      },
    ],
    portSecurity,
    adminUp: true,
    allowedPairs: [],
    rules,
    hostname: `guest-${number}`,
  }
}

export interface Bed {
  readonly names: Names
  readonly options: HostNetworkOptions
  /** What the metadata service was asked, newest last. */
  readonly asked: { readonly path: string; readonly headers: IncomingHttpHeaders }[]
  /** Makes a guest at the end of the port's link, before or after the port is plugged with nothing attached yet. */
  guest(facts: PortFacts): Promise<VethGuest>
  remove(): Promise<void>
}

export async function bed(): Promise<Bed> {
  const installationId = randomBytes(2).toString('hex')
  const scratch = process.env['KILONOVA_TEST_SCRATCH']
  // Lets the runner remove what a killed test leaves.
  if (scratch !== undefined && existsSync(join(scratch, 'names'))) {
    for (const kind of ['kn', 'kt', 'kv', 'kr', 'kg'])
      writeFileSync(join(scratch, 'names', `${kind}${installationId}`), '')
  }
  const stateDir = mkdtempSync(join(tmpdir(), 'kilonova-network-'))
  const asked: Bed['asked'] = []
  const service = createServer((request, answer) => {
    asked.push({ path: request.url ?? '', headers: request.headers })
    answer.setHeader('content-type', 'text/plain')
    answer.end(`you are ${String(request.headers['x-instance-id'])}`)
  })
  await new Promise<void>((done) => service.listen(0, '127.0.0.1', done))
  const address = service.address()
  const proxyTo = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
  const guests: VethGuest[] = []
  const names = namesOf(installationId)
  return {
    names,
    options: {
      installationId,
      stateDir,
      metadata: { proxyTo, sharedSecret: 'shared' },
      log: silentLog,
      clock: systemClock(),
    },
    asked,
    guest: async (facts) => {
      const made = await vethGuest(`kg${installationId}-${guests.length}`, names.tap(facts.portId), facts.mac)
      guests.push(made)
      return made
    },
    remove: async () => {
      for (const guest of guests) await guest.remove()
      await removeStrays(names, { namespaces: new Set(), links: new Set(), folders: new Map() })
      service.closeAllConnections()
      await new Promise((done) => service.close(done))
      rmSync(stateDir, { recursive: true, force: true })
      rmSync(names.runtimeRoot, { recursive: true, force: true })
    },
  }
}

/** All that is left when no port is here. */
export const nothing = ({ hostTable }: Names) => ({
  namespaces: [],
  links: [],
  tables: [],
  hostTables: [`inet ${hostTable}`],
  processes: [],
  routes: [],
})
