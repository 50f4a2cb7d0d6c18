/** Where the services of a cloud are: the ports people know, shifted together; as this machine reaches them, and as the catalog tells. */
import { networkInterfaces } from 'node:os'
import type { CloudOptions } from './options.ts'

const PORTS = {
  compute: 8774,
  identity: 5000,
  image: 9292,
  network: 9696,
  metadata: 8775,
  novnc: 6080,
  serial: 6083,
} as const
type Service = keyof typeof PORTS

export interface Places {
  port(service: Service): number
  /** The base URL as this machine reaches it. */
  here(service: Service): string
  /** The base URL as clients reach it, here or elsewhere. */
  told(service: Service): string
}

const EVERYWHERE = ['0.0.0.0', '::']
const LOOPBACK = '127.0.0.1'

export function placesOf(
  { listen, portOffset, endpointHost }: Pick<CloudOptions, 'listen' | 'portOffset' | 'endpointHost'>,
  tls = false,
): Places {
  const everywhere = EVERYWHERE.includes(listen)
  const port = (service: Service): number => PORTS[service] + portOffset
  const at = (host: string, service: Service): string => {
    return `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port(service)}`
  }
  const told = endpointHost ?? (everywhere ? outerAddress() : listen)
  return {
    port,
    here: (service) => at(everywhere ? LOOPBACK : listen, service),
    told: (service) => at(told, service),
  }
}

/** The first address of this machine that others may reach; interfaces of guests' networks are younger than its own. */
function outerAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? LOOPBACK
}
