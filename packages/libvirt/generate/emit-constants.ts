/** Prints src/constants.gen.ts from libvirt-api.xml: one object per C enum, `virDomainState` -> `DomainState.RUNNING`. */

interface Value {
  readonly name: string
  readonly text: string
}

export function emitConstants(header: string, apiXml: string): string {
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
  const sorted = [...enums].sort(([a], [b]) => (a < b ? -1 : 1))
  return `${header}\n${sorted.map(([type, values]) => enumText(type.replace(/^vir/, ''), values, known)).join('\n')}`
}

/** A value is a number or the name of another constant. */
function enumText(name: string, values: readonly Value[], known: ReadonlyMap<string, number>): string {
  const cut = prefixOf(name, values.map((value) => value.name)).length
  const lines = values
    .map(({ name: full, text }) => ({ full, number: known.get(text) ?? Number(text) }))
    .sort((a, b) => a.number - b.number)
    .map(({ full, number }) => {
      if (!Number.isInteger(number)) throw new Error(`${full} has no number`)
      const key = full.slice(cut).replace(/^ERR_/, '')
      return `  ${/^[A-Z_]/.test(key) ? key : `'${key}'`}: ${number},`
    })
  return `export const ${name} = {\n${lines.join('\n')}\n} as const\n`
}

/** The words all values share; a lone value is cut by the words its type's name consists of. */
function prefixOf(type: string, names: readonly string[]): string {
  const [first = ''] = names
  const words = first.split('_')
  const upper = type.toUpperCase()
  const shared = (count: number): boolean => names.length === 1
    ? upper.includes(words[count - 1] ?? '')
    : names.every((name) => name.startsWith(`${words.slice(0, count).join('_')}_`))
  let count = 1
  while (count < words.length - 1 && shared(count + 1)) count++
  return `${words.slice(0, count).join('_')}_`
}
