/**
 * Prints libvirt-api.xml's enums, one object each, `virDomainState` -> `DomainState.RUNNING`: as src/constants.gen.ts (a line
 * of text per enum, quick to load) and src/constants-types.gen.ts (types only).
 */

interface Value {
  readonly name: string
  readonly text: string
}
export interface Constants {
  readonly name: string
  readonly values: readonly (readonly [key: string, value: number])[]
}

export function readConstants(apiXml: string): readonly Constants[] {
  const enums = new Map<string, Value[]>()
  const known = new Map<string, number>()
  for (const [tag] of apiXml.matchAll(/<enum\s[^>]*>/g)) {
    const attribute = (name: string): string => new RegExp(`\\s${name}='([^']*)'`).exec(tag)?.[1] ?? ''
    const type = attribute('type')
    const name = attribute('name')
    if (!type.startsWith('vir') || name.endsWith('_LAST')) continue
    enums.set(type, [...(enums.get(type) ?? []), { name, text: attribute('value') }])
    known.set(name, Number(attribute('value')))
  }
  const sorted = [...enums].toSorted(([a], [b]) => (a < b ? -1 : 1))
  return sorted.map(([type, values]) => constantsOf(type.replace(/^vir/, ''), values, known))
}

/** A value is a number or the name of another constant. */
function constantsOf(name: string, values: readonly Value[], known: ReadonlyMap<string, number>): Constants {
  const cut = prefixOf(
    name,
    values.map((value) => value.name),
  ).length
  const pairs = values.map(({ name: full, text }) => {
    const number = known.get(text) ?? Number(text)
    if (!Number.isInteger(number)) throw new Error(`${full} has no number`)
    return [full.slice(cut).replace(/^ERR_/, ''), number] as const
  })
  return { name, values: pairs.toSorted(([, a], [, b]) => a - b) }
}

export const emitConstants = (header: string, constants: readonly Constants[]): string => `${header}
import type * as types from './constants-types.gen.ts'
import { parseConstants } from './constants.ts'

${constants
  .map(
    ({ name, values }) => `export const ${name} = parseConstants<types.${name}>(
  '${values.map(([key, value]) => `${key}=${value}`).join(' ')}',
)`,
  )
  .join('\n')}
`

export const emitConstantTypes = (header: string, constants: readonly Constants[]): string => `${header}
${constants
  .map(
    ({ name, values }) => `export interface ${name} {
${values.map(([key, value]) => `  readonly ${/^[A-Z_]/.test(key) ? key : `'${key}'`}: ${value}`).join('\n')}
}`,
  )
  .join('\n')}
`

/** The words all values share; a lone value is cut by the words its type's name consists of. */
function prefixOf(type: string, names: readonly string[]): string {
  const [first = ''] = names
  const words = first.split('_')
  const upper = type.toUpperCase()
  const shared = (count: number): boolean =>
    names.length === 1
      ? upper.includes(words[count - 1] ?? '')
      : names.every((name) => name.startsWith(`${words.slice(0, count).join('_')}_`))
  let count = 1
  while (count < words.length - 1 && shared(count + 1)) count++
  return `${words.slice(0, count).join('_')}_`
}
