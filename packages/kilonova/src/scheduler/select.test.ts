import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FILTERS } from './filters/index.ts'
import type { HostState, RequestSpec, SchedulerOptions } from './host-state.ts'
import { selectSeveral } from './select-several.ts'
import { explain, LOST, select } from './select.ts'

const OPTIONS: SchedulerOptions = { enabledFilters: Object.keys(FILTERS), multipliers: {}, defaultArchitecture: null }
const SPEC: RequestSpec = {
  resources: { vcpus: 1, memoryMb: 512, diskGb: 1 },
  zone: null,
  onlyHost: null,
  forced: false,
  imageProperties: {},
  extraSpecs: {},
}
const hostWith = (wish: Partial<HostState> = {}): HostState => ({
  host: 'h',
  hypervisorHostname: 'h',
  up: true,
  disabled: false,
  disabledReason: null,
  zone: 'nova',
  capacity: { vcpus: 8, memoryMb: 8192, diskGb: 100 },
  used: { vcpus: 0, memoryMb: 0, diskGb: 0 },
  largest: { vcpus: 8, memoryMb: 8192, diskGb: 100 },
  hardware: { features: [], hugePages: [] },
  supportedInstances: [['x86_64', 'kvm', 'hvm']],
  address: '192.0.2.1',
  servers: 0,
  ...wish,
})
const names = (hosts: readonly HostState[]): readonly string[] => hosts.map(({ host }) => host)

/** What each filter says of one host. */
const verdict = (
  wish: Partial<HostState>,
  spec: Partial<RequestSpec> = {},
  options: Partial<SchedulerOptions> = {},
) => {
  const { rejections } = select([hostWith(wish)], { ...SPEC, ...spec }, { ...OPTIONS, ...options }, 'seed')
  return rejections.map(({ filter, reason }) => `${filter}: ${reason}`).join() || 'fits'
}

const small = { vcpus: 2, memoryMb: 1024, diskGb: 10 }
const CASES: readonly (readonly [string, string])[] = [
  ['fits', verdict({})],
  ['ComputeFilter: is down', verdict({ up: false })],
  ['ComputeFilter: is disabled', verdict({ disabled: true, up: false })],
  ['ComputeFilter: is disabled: disk swap', verdict({ disabled: true, disabledReason: 'disk swap' })],
  ['AvailabilityZoneFilter: is in zone nova, not east', verdict({}, { zone: 'east' })],
  ['fits', verdict({ zone: 'east' }, { zone: 'east' })],
  ['CoreFilter: has 1 vCPU free, 2 wanted', verdict({ used: { ...small, vcpus: 7 } }, { resources: small })],
  ['CoreFilter: has 0 vCPU free, 2 wanted', verdict({ used: { ...small, vcpus: 9 } }, { resources: small })],
  [
    'CoreFilter: has 8 vCPU in all, 9 wanted',
    verdict({ capacity: { vcpus: 32, memoryMb: 8192, diskGb: 100 } }, { resources: { ...small, vcpus: 9 } }),
  ],
  [
    'RamFilter: has 192 MB of memory free, 1024 wanted',
    verdict({ used: { ...small, memoryMb: 8000 } }, { resources: small }),
  ],
  ['DiskFilter: has 5 GB of disk free, 10 wanted', verdict({ used: { ...small, diskGb: 95 } }, { resources: small })],
  ['fits', verdict({ used: { vcpus: 6, memoryMb: 7168, diskGb: 90 } }, { resources: small })],
  [
    'ImagePropertiesFilter: cannot run aarch64',
    verdict({}, { imageProperties: { hw_architecture: 'arm64' } }).replace('arm64', 'aarch64'),
  ],
  ['fits', verdict({}, { imageProperties: { hw_architecture: 'amd64', img_hv_type: 'qemu', hw_vm_mode: 'HVM' } })],
  ['ImagePropertiesFilter: cannot run ppc64', verdict({}, {}, { defaultArchitecture: 'ppc64' })],
  [
    'ImagePropertiesFilter: cannot run x86_64 xen',
    verdict({}, { imageProperties: { architecture: 'x86_64', hypervisor_type: 'xen' } }),
  ],
  ['fits', verdict({}, { group: { policy: 'anti-affinity', maxPerHost: 2, servers: { h: 1 } } })],
  [
    "ServerGroupAntiAffinityFilter: has 2 of the group's servers, 2 at most",
    verdict({}, { group: { policy: 'anti-affinity', maxPerHost: 2, servers: { h: 2 } } }),
  ],
  ['fits', verdict({}, { group: { policy: 'affinity', maxPerHost: 1, servers: { h: 1 } } })],
  ['fits', verdict({}, { group: { policy: 'affinity', maxPerHost: 1, servers: {} } })],
  [
    "ServerGroupAffinityFilter: does not have the group's servers",
    verdict({}, { group: { policy: 'affinity', maxPerHost: 1, servers: { other: 1 } } }),
  ],
  ['fits', verdict({}, { group: { policy: 'soft-anti-affinity', maxPerHost: 1, servers: { h: 5 } } })],
  ['fits', verdict({}, { sameHosts: ['a', 'h'], differentHosts: ['a'] })],
  ['SameHostFilter: has none of the servers to be with', verdict({}, { sameHosts: [] })],
  ['DifferentHostFilter: has a server to be away from', verdict({}, { differentHosts: ['h'] })],
  ['fits', verdict({}, { near: { address: '192.0.2.77', prefix: 24 } })],
  [
    'SimpleCIDRAffinityFilter: has the address 192.0.2.1, not one of 192.0.2.77/26',
    verdict({}, { near: { address: '192.0.2.77', prefix: 26 } }),
  ],
  [
    'SimpleCIDRAffinityFilter: has the address 192.0.2.1, not one of 2001:db8::1/64',
    verdict({}, { near: { address: '2001:db8::1', prefix: 64 } }),
  ],
  ['fits', verdict({ address: '2001:db8::ff' }, { near: { address: '2001:db8:0:0::1', prefix: 64 } })],
  ['fits', verdict({}, { query: ['and', ['>=', '$free_ram_mb', 8192], ['in', '$host', 'a', 'h']] })],
  ['fits', verdict({}, { query: ['not', ['=', '$vcpus_used', 1]] })],
  ...[
    ['<', '$num_instances', 0],
    ['=', '$nothing', 1],
    ['constructor'],
    'host',
    { host: 'h' },
    ['or'],
    ['=', '$host'],
  ].map((query) => ['JsonFilter: is not what the query asks for', verdict({}, { query })] as const),
]
for (const [index, [expected, said]] of CASES.entries())
  test(`verdict ${index + 1}: ${expected}`, () => assert.equal(said, expected))

test('a host that was named is asked for room and life alone', () => {
  const spec = { ...SPEC, onlyHost: 'h', forced: true, zone: 'elsewhere' }
  assert.deepEqual(names(select([hostWith()], spec, OPTIONS, 's').hosts), ['h'])
  assert.equal(select([hostWith({ up: false })], spec, OPTIONS, 's').rejections[0]?.filter, 'ComputeFilter')
})

test('the emptiest host comes first; a negative multiplier fills hosts up; each weigher counts alike', () => {
  const hosts = [
    hostWith({ host: 'full', used: { vcpus: 6, memoryMb: 6000, diskGb: 60 } }),
    hostWith({ host: 'empty' }),
    hostWith({ host: 'half', used: { vcpus: 3, memoryMb: 3000, diskGb: 30 } }),
  ]
  assert.deepEqual(names(select(hosts, SPEC, OPTIONS, 's').hosts), ['empty', 'half', 'full'])
  const multipliers = { ram_weight_multiplier: -1, cpu_weight_multiplier: -1, disk_weight_multiplier: -1 }
  assert.deepEqual(names(select(hosts, SPEC, { ...OPTIONS, multipliers }, 's').hosts), ['full', 'half', 'empty'])
  const split = [
    hostWith({ host: 'memory', used: { vcpus: 4, memoryMb: 0, diskGb: 0 } }),
    hostWith({ host: 'cpu', used: { vcpus: 0, memoryMb: 4000, diskGb: 0 } }),
  ]
  assert.deepEqual(names(select(split, SPEC, { ...OPTIONS, multipliers: { cpu_weight_multiplier: 2 } }, 's').hosts), [
    'cpu',
    'memory',
  ])
  assert.deepEqual(names(select(split, SPEC, { ...OPTIONS, multipliers: { cpu_weight_multiplier: 0 } }, 's').hosts), [
    'memory',
    'cpu',
  ])
})

test('equal hosts are chosen evenly, and the same request chooses the same again', () => {
  const hosts = Array.from({ length: 10 }, (_, n) => hostWith({ host: `host-${n}` }))
  const firsts = Array.from({ length: 1000 }, (_, n) => select(hosts, SPEC, OPTIONS, `req-${n}`).hosts[0]?.host ?? '')
  const counts = Object.values(Object.groupBy(firsts, (host) => host)).map((group) => group?.length ?? 0)
  assert.equal(counts.length, 10)
  assert.ok(Math.min(...counts) > 50, `a host got only ${Math.min(...counts)} of 1000`)
  assert.deepEqual(
    names(select(hosts, SPEC, OPTIONS, 'req-1').hosts),
    names(select(hosts, SPEC, OPTIONS, 'req-1').hosts),
  )
})

const resources = (most: number) => fc.record({ vcpus: fc.nat(most), memoryMb: fc.nat(most), diskGb: fc.nat(most) })
const anyHost = fc.record({
  up: fc.boolean(),
  disabled: fc.boolean(),
  zone: fc.constantFrom('a', 'b'),
  capacity: resources(20),
  used: resources(20),
  largest: resources(20),
  hardware: fc.constant({ features: [], hugePages: [] }),
  supportedInstances: fc.constantFrom([['x86_64', 'kvm', 'hvm']] as const, [['aarch64', 'kvm', 'hvm']] as const, []),
})
const snapshots = fc
  .array(anyHost, { maxLength: 12 })
  .map((hosts) => hosts.map((host, n) => hostWith({ ...host, host: `host-${n}` })))
const specs = fc.record({
  resources: resources(8),
  zone: fc.constantFrom(null, 'a', 'b'),
  onlyHost: fc.constant(null),
  forced: fc.constant(false),
  imageProperties: fc.constantFrom<RequestSpec['imageProperties']>({}, { hw_architecture: 'x86_64' }),
  extraSpecs: fc.constant({}),
})

test('property: chosen hosts and rejections together are the snapshot, each host once, whatever its order', () => {
  fc.assert(
    fc.property(snapshots, specs, fc.string(), (snapshot, spec, seed) => {
      const { hosts, rejections } = select(snapshot, spec, OPTIONS, seed)
      assert.deepEqual([...names(hosts), ...rejections.map(({ host }) => host)].toSorted(), names(snapshot).toSorted())
      assert.deepEqual(names(select(snapshot.toReversed(), spec, OPTIONS, seed).hosts), names(hosts))
    }),
  )
})

test('property: every chosen host passes every filter; every rejection is the first filter that says no', () => {
  fc.assert(
    fc.property(snapshots, specs, (snapshot, spec) => {
      const { hosts, rejections } = select(snapshot, spec, OPTIONS, 'seed')
      for (const host of hosts)
        assert.ok(Object.values(FILTERS).every(({ filter }) => filter(host, spec, OPTIONS) === undefined))
      for (const { host, filter, reason } of rejections) {
        const state = snapshot.find((each) => each.host === host) ?? assert.fail()
        const first = Object.entries(FILTERS).find(([, entry]) => entry.filter(state, spec, OPTIONS) !== undefined)
        assert.deepEqual([first?.[0], first?.[1].filter(state, spec, OPTIONS)], [filter, reason])
      }
    }),
  )
})

const groups = fc.option(
  fc.record({
    policy: fc.constantFrom('affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity'),
    maxPerHost: fc.integer({ min: 1, max: 2 }),
    servers: fc.dictionary(fc.constantFrom('host-0', 'host-1', 'host-2'), fc.integer({ min: 1, max: 2 })),
  }),
  { nil: undefined },
)

test('property: several servers go where each would go if those before it were there already', () => {
  fc.assert(
    fc.property(snapshots, specs, groups, fc.string(), (snapshot, plain, group, seed) => {
      const spec: RequestSpec = { ...plain, ...(group ? { group } : {}) }
      const several = selectSeveral(snapshot, spec, OPTIONS, seed)
      let [hosts, now] = [snapshot, spec]
      for (let n = 0; n < 12; n++) {
        const one = select(hosts, now, OPTIONS, seed)
        const [best] = one.hosts
        const next = several.next()
        if (!best) {
          assert.ok(next.done)
          return assert.deepEqual(next.value, one.rejections)
        }
        assert.ok(!next.done)
        assert.equal(next.value.host, best.host)
        const { used } = best
        const { vcpus, memoryMb, diskGb } = spec.resources
        const taken = { vcpus: used.vcpus + vcpus, memoryMb: used.memoryMb + memoryMb, diskGb: used.diskGb + diskGb }
        hosts = hosts.map((host) =>
          host.host === best.host ? { ...host, servers: host.servers + 1, used: taken } : host,
        )
        const members = now.group?.servers ?? {}
        if (now.group)
          now = { ...now, group: { ...now.group, servers: { ...members, [best.host]: (members[best.host] ?? 0) + 1 } } }
      }
    }),
  )
})

test('property: the explanation counts every host once', () => {
  fc.assert(
    fc.property(snapshots, specs, (snapshot, spec) => {
      const { hosts, rejections } = select(snapshot, spec, OPTIONS, 'seed')
      fc.pre(hosts.length === 0 && snapshot.length > 0)
      const [total = '', ...counts] = explain(snapshot.length, rejections).match(/\d+/g) ?? []
      assert.equal(
        counts.reduce((sum, count) => sum + Number(count), 0),
        Number(total),
      )
    }),
  )
})

test('the explanation is for people', () => {
  const because = (...filters: readonly string[]) => filters.map((filter, n) => ({ host: `h${n}`, filter, reason: '' }))
  assert.equal(explain(0, []), 'There are no hosts.')
  assert.equal(explain(1, because('RamFilter')), '1 host: 1 has too little free memory.')
  assert.equal(
    explain(3, because('ComputeFilter', 'RamFilter', 'RamFilter')),
    '3 hosts: 2 have too little free memory, 1 is down or disabled.',
  )
  assert.equal(explain(1, because(LOST)), '1 host: 1 was filled by another request meanwhile.')
})
