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
  --port-offset N         added to every port: compute 8774, identity 5000, image 9292, network 9696, metadata 8775
  --private-cidr CIDR     addresses of the network "private" (default 10.30.0.0/20); two clouds on a machine need two
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

const CIDR = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/

/** Errors: UsageError. */
export function parseOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): CloudOptions | 'help' {
  const values = parsed(args)
  if (values.help) return 'help'
  const { driver } = values
  if (driver !== 'libvirt' && driver !== 'fake') throw new UsageError(`--driver must be libvirt or fake, not ${driver}`)
  const cidr = CIDR.exec(values['private-cidr'])
  if (!cidr || cidr.slice(1, 5).some((part) => Number(part) > 255) || Number(cidr[5]) < 8 || Number(cidr[5]) > 28)
    throw new UsageError(`--private-cidr must look like 10.30.0.0/20, with 8 to 28 bits, not ${values['private-cidr']}`)
  return {
    stateDir: resolve(values['state-dir'] ?? env['KILONOVA_STATE_DIR'] ?? defaultStateDir()),
    driver,
    hosts: whole('--hosts', values.hosts, 1, 10_000),
    portOffset: whole('--port-offset', values['port-offset'], 0, 50_000),
    privateCidr: values['private-cidr'],
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
