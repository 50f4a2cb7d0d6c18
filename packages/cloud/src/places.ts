/** Where the services of a cloud are: the ports people know, shifted together. */
import type { CloudOptions } from './options.ts'

const PORTS = { compute: 8774, identity: 5000, image: 9292, network: 9696, metadata: 8775 } as const
type Service = keyof typeof PORTS

export interface Places {
  port(service: Service): number
  /** The base URL as this machine reaches it. */
  here(service: Service): string
}

export function placesOf({ listen, portOffset }: Pick<CloudOptions, 'listen' | 'portOffset'>): Places {
  const port = (service: Service): number => PORTS[service] + portOffset
  return { port, here: (service) => `http://${listen === '0.0.0.0' ? '127.0.0.1' : listen}:${port(service)}` }
}
