/** Who may import whom. A room imports from lower floors and from itself, never sideways or up; packages likewise. docs/architecture.md draws it. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'

/** Ground floor first. */
const FLOORS = [
  ['config', 'domain'],
  ['rpc', 'policy', 'db', 'clients', 'task', 'scheduler', 'virt'],
  ['actions', 'placement'],
  ['api', 'conductor', 'compute', 'metadata', 'console'],
  ['bin'],
] as const
/** Sideways on purpose: types of what a neighbour carries. */
const NEIGHBOURS: readonly string[] = ['rpc -> virt', 'clients -> virt']
/** Floors below that a room stays out of: a host has neither database nor credentials, and what decides must not know how it is done. */
const NOT: Readonly<Record<string, readonly string[]>> = {
  compute: ['db', 'clients', 'task', 'actions', 'placement', 'scheduler', 'policy'],
  placement: ['clients', 'virt', 'policy'],
  metadata: ['task', 'actions', 'placement', 'scheduler', 'policy', 'rpc', 'virt'],
  console: ['clients', 'task', 'actions', 'placement', 'scheduler', 'policy', 'virt'],
  conductor: ['policy', 'placement'],
  api: ['placement', 'scheduler', 'virt'],
}
/** DESIGN: a package is imported by those that may. The all-in-one wires them all. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  base: [],
  'disk-image': [],
  libvirt: [],
  kilonova: ['base', 'disk-image', 'libvirt'],
  companions: ['base', 'disk-image'],
  cloud: ['base', 'libvirt', 'kilonova', 'companions', 'dashboard'],
}
const ROOT = join(import.meta.dirname, '../../..')

interface Import {
  readonly file: string
  readonly package: string
  readonly room: string
  readonly target: string
}

/** Tests and what only tests use may reach for anything. */
const forTests = (file: string): boolean =>
  /\.(test|contract)\.ts$|\/testing\/|-fixture\.ts$|\/test-cloud\.ts$/.test(file)

function importsOf(file: string): readonly Import[] {
  const [, pack = '', , room = ''] = file.split('/')
  const text = readFileSync(join(ROOT, file), 'utf8')
  return [...text.matchAll(/^(?:import|export) .*?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gms)].map(
    ([, from, bare, dynamic]) => ({
      file,
      package: pack,
      room,
      target: from ?? bare ?? dynamic ?? '',
    }),
  )
}

const imports = globSync('packages/*/src/**/*.ts', { cwd: ROOT })
  .filter((file) => !forTests(file))
  .flatMap(importsOf)

const floorOf = (room: string): number => FLOORS.findIndex((rooms) => (rooms as readonly string[]).includes(room))

/** The room of kilonova that an import of one of its files leads to. */
const roomOf = ({ file, target }: Import): string | undefined => {
  if (!target.startsWith('.')) return undefined
  const [pack, , room = ''] = normalize(join(dirname(file), target))
    .replace('packages/', '')
    .split('/')
  return pack === 'kilonova' ? room : undefined
}

function mayImport(from: string, to: string): boolean {
  if (from === to || NEIGHBOURS.includes(`${from} -> ${to}`)) return true
  return floorOf(to) < floorOf(from) && !(NOT[from] ?? []).includes(to)
}

test('every room of kilonova stands on a floor', () => {
  const rooms = new Set(imports.filter((each) => each.package === 'kilonova').map(({ room }) => room))
  assert.deepEqual(
    [...rooms].filter((room) => floorOf(room) < 0),
    [],
  )
})

test('rooms import downward only', () => {
  const wrong = imports.flatMap((each) => {
    const to = each.package === 'kilonova' ? roomOf(each) : undefined
    return to === undefined || mayImport(each.room, to) ? [] : [`${each.file}: ${each.room} may not import ${to}`]
  })
  assert.deepEqual(wrong, [])
})

test('packages import those below them, and no file outside their own', () => {
  const wrong = imports.flatMap(({ file, package: from, target }) => {
    const [, to] = /^@kilonova\/([^/]+)/.exec(target) ?? []
    if (to !== undefined && to !== from && !(PACKAGES[from] ?? []).includes(to))
      return [`${file}: ${from} may not import ${to}`]
    const path = target.startsWith('.') ? normalize(join(dirname(file), target)) : undefined
    return path === undefined || path.startsWith(`packages/${from}/src/`) ? [] : [`${file} may not import ${path}`]
  })
  assert.deepEqual(wrong, [])
})

test('one room alone speaks to libvirt', () => {
  const wrong = imports.filter(
    (each) =>
      each.package === 'kilonova' &&
      each.target.startsWith('@kilonova/libvirt') &&
      !each.file.includes('/virt/libvirt/'),
  )
  assert.deepEqual(
    wrong.map(({ file }) => `${file} may not import libvirt`),
    [],
  )
})

test('what is pure stays pure: domain, scheduler and policy import nothing of Node', () => {
  const wrong = imports.filter(
    (each) =>
      each.package === 'kilonova' &&
      ['domain', 'scheduler', 'policy'].includes(each.room) &&
      each.target.startsWith('node:'),
  )
  assert.deepEqual(
    wrong.map(({ file, target }) => `${file} may not import ${target}`),
    [],
  )
})
