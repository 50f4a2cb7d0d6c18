/** `JsonFilter`: the user's own expression over a host, as nested lists: `["and", [">=", "$free_ram_mb", 1024], ["=", "$host", "a"]]`. */
import type { HostFilter, HostState } from '../host-state.ts'

const FIELDS: Readonly<Record<string, (host: HostState) => unknown>> = {
  host: ({ host }) => host,
  nodename: ({ hypervisorHostname }) => hypervisorHostname,
  hypervisor_hostname: ({ hypervisorHostname }) => hypervisorHostname,
  host_ip: ({ address }) => address,
  free_ram_mb: ({ capacity, used }) => capacity.memoryMb - used.memoryMb,
  free_disk_mb: ({ capacity, used }) => (capacity.diskGb - used.diskGb) * 1024,
  total_usable_ram_mb: ({ largest }) => largest.memoryMb,
  total_usable_disk_gb: ({ largest }) => largest.diskGb,
  vcpus_total: ({ largest }) => largest.vcpus,
  vcpus_used: ({ used }) => used.vcpus,
  num_instances: ({ servers }) => servers,
}

type Pair = (a: never, b: never) => boolean
/** The first value against each of the others. */
const eachWith =
  (holds: Pair) =>
  ([first, ...others]: readonly unknown[]): boolean =>
    others.length > 0 && others.every((other) => holds(first as never, other as never))
const OPERATORS: Readonly<Record<string, (values: readonly unknown[]) => boolean>> = {
  '=': eachWith((a: unknown, b: unknown) => a === b),
  '<': eachWith((a: number, b: number) => a < b),
  '>': eachWith((a: number, b: number) => a > b),
  '<=': eachWith((a: number, b: number) => a <= b),
  '>=': eachWith((a: number, b: number) => a >= b),
  in: ([first, ...others]) => others.includes(first),
  not: (values) => values.every((value) => !value),
  or: (values) => values.some(Boolean),
  and: (values) => values.every(Boolean),
}

function valueOf(host: HostState, query: unknown): unknown {
  if (Array.isArray(query)) {
    const [operator, ...values] = query as unknown[]
    const apply = typeof operator === 'string' && Object.hasOwn(OPERATORS, operator) ? OPERATORS[operator] : undefined
    return apply ? apply(values.map((value) => valueOf(host, value))) : false
  }
  if (typeof query !== 'string' || !query.startsWith('$')) return query
  const name = query.slice(1)
  return Object.hasOwn(FIELDS, name) ? FIELDS[name]?.(host) : undefined
}

export const json: HostFilter = (host, { query }) =>
  query === undefined || valueOf(host, query) === true ? undefined : 'is not what the query asks for'
