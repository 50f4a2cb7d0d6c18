/** The command line of `npm start`. */
import { parseArgs } from 'node:util'
import { isIP } from 'node:net'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

export interface CloudOptions {
  readonly stateDir: string
  readonly driver: 'libvirt' | 'fake'
  /** How many fake hosts. */
  readonly hosts: number
  readonly portOffset: number
  readonly privateCidr: string
  readonly publicCidr: string
  readonly listen: string
  /** What the catalog calls this machine, where that is not what `listen` says. */
  readonly endpointHost: string | undefined
  readonly demo: boolean
  readonly debug: boolean
  readonly json: boolean
  /** A configuration file, beside what the other options say. */
  readonly configFile: string | undefined
}

export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export const USAGE = `Usage: npm start -- [options]

  --driver libvirt|fake   real guests (QEMU by libvirt; the default), or a hypervisor in memory that needs no root
  --hosts N               how many fake hosts (default 1)
  --state-dir DIR         where everything is kept (KILONOVA_STATE_DIR; default /var/lib/kilonova for root)
  --port-offset N         added to every port: compute 8774, identity 5000, image 9292, network 9696, metadata 8775,
                          screens 6080, serial consoles 6083
  --private-cidr CIDR     addresses of the network "private" (default 10.30.0.0/20); two clouds on a machine need two
  --public-cidr CIDR      addresses of the network "public", for routers and floating IPs (default 172.24.4.0/24); the same holds
  --listen ADDRESS        where the services listen (default 127.0.0.1: this machine alone)
  --endpoint-host HOST    what clients elsewhere call this machine: a name or an address, for the catalog and clouds.yaml
                          (default: ADDRESS; for 0.0.0.0 the first address of this machine)
  --no-demo               do not boot the first server "demo"
  --config FILE           a configuration file (docs/configuration.md)
  --debug                 log every step and request
  --json-logs             log as JSON
  --yes                   install missing packages without asking
  --help                  this text
`

/** Errors: UsageError. */
export function parseOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): CloudOptions | 'help' {
  const values = parsed(args)
  if (values.help) return 'help'
  const { driver } = values
  if (driver !== 'libvirt' && driver !== 'fake') throw new UsageError(`--driver must be libvirt or fake, not ${driver}`)
  const privateCidr = block('--private-cidr', values['private-cidr'], '10.30.0.0/20')
  const publicCidr = block('--public-cidr', values['public-cidr'], '172.24.4.0/24')
  if (privateCidr.first <= publicCidr.last && publicCidr.first <= privateCidr.last)
    throw new UsageError(`--private-cidr ${privateCidr.text} and --public-cidr ${publicCidr.text} overlap`)
  return {
    stateDir: resolve(values['state-dir'] ?? env['KILONOVA_STATE_DIR'] ?? defaultStateDir()),
    driver,
    hosts: whole('--hosts', values.hosts, 1, 10_000),
    portOffset: whole('--port-offset', values['port-offset'], 0, 50_000),
    privateCidr: privateCidr.text,
    publicCidr: publicCidr.text,
    listen: values.listen,
    endpointHost: hostNamed(values['endpoint-host']),
    demo: !values['no-demo'],
    debug: values.debug,
    json: values['json-logs'],
    configFile: values.config,
  }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        driver: { type: 'string', default: 'libvirt' },
        hosts: { type: 'string', default: '1' },
        'state-dir': { type: 'string' },
        'port-offset': { type: 'string', default: '0' },
        'private-cidr': { type: 'string', default: '10.30.0.0/20' },
        'public-cidr': { type: 'string', default: '172.24.4.0/24' },
        listen: { type: 'string', default: '127.0.0.1' },
        'endpoint-host': { type: 'string' },
        'no-demo': { type: 'boolean', default: false },
        config: { type: 'string' },
        debug: { type: 'boolean', default: false },
        'json-logs': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error })
  }
}

const CIDR = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/

/** An IPv4 block, and its ends as numbers. */
function block(name: string, text: string, example: string): { text: string; first: number; last: number } {
  const parts = CIDR.exec(text)?.slice(1).map(Number) ?? []
  const [bytes, bits = 0] = [parts.slice(0, 4), parts[4]]
  if (parts.length === 0 || bytes.some((byte) => byte > 255) || bits < 8 || bits > 28)
    throw new UsageError(`${name} must look like ${example}, with 8 to 28 bits, not ${text}`)
  const size = 2 ** (32 - bits)
  const address = bytes.reduce((sum, byte) => sum * 256 + byte, 0)
  const first = address - (address % size)
  return { text, first, last: first + size - 1 }
}

function hostNamed(host: string | undefined): string | undefined {
  if (host === undefined || isIP(host) !== 0 || /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(host)) return host
  throw new UsageError(`--endpoint-host must be a name or an address, without a port, not ${host}`)
}

function whole(name: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < min || value > max)
    throw new UsageError(`${name} must be a whole number from ${min} to ${max}, not ${text}`)
  return value
}

const defaultStateDir = (): string =>
  process.getuid?.() === 0 ? '/var/lib/kilonova' : join(homedir(), '.local/state/kilonova')
