/** Reads rpcgen's `.x` language, as far as libvirt's protocol files use it; anything else stops the generator. */

export interface Field {
  readonly name: string
  /** The type's name as written, e.g. `unsigned hyper`, `remote_nonnull_string`, `opaque`. */
  readonly type: string
  /** `value`: one; `optional`: `*name`; `fixed`: `name[size]`; `list`: `name<size>`. */
  readonly shape: 'value' | 'optional' | 'fixed' | 'list'
  readonly size: number
}
export interface Procedure {
  readonly constant: string
  readonly number: number
  readonly stream: 'read' | 'write' | undefined
}
export interface Protocol {
  readonly constants: ReadonlyMap<string, number>
  readonly typedefs: ReadonlyMap<string, Field>
  readonly structs: ReadonlyMap<string, readonly Field[]>
  readonly unions: readonly string[]
  readonly enums: ReadonlySet<string>
  readonly procedures: readonly Procedure[]
}

/** Buffer lengths from libvirt's public headers, which the `.x` files name without defining them. */
const HEADER_CONSTANTS: readonly (readonly [string, number])[] = [
  ['VIR_UUID_BUFLEN', 16],
  ['VIR_SECURITY_MODEL_BUFLEN', 257],
  ['VIR_SECURITY_LABEL_BUFLEN', 4097],
  ['VIR_SECURITY_DOI_BUFLEN', 257],
]

export function parseX(texts: readonly string[]): Protocol {
  const source = texts.join('\n')
  const code = source.replace(/^%.*$/gm, '').replace(/\/\*[\s\S]*?\*\//g, '')
  const constants = new Map(HEADER_CONSTANTS)
  const numberOf = (text: string): number => {
    const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : constants.get(text)
    if (value === undefined) throw new Error(`unknown constant ${text}`)
    return value
  }
  for (const [, name = '', value = ''] of code.matchAll(/^const\s+(\w+)\s*=\s*(\w+)\s*;/gm)) {
    constants.set(name, numberOf(value))
  }
  const field = (text: string): Field => {
    const match = /^((?:unsigned\s+)?\w+)\s+(\*?)\s*(\w+)\s*(?:\[(\w+)\]|<(\w*)>)?$/.exec(
      text.replace(/\s+/g, ' ').trim(),
    )
    if (!match) throw new Error(`cannot read the field "${text}"`)
    const [, type = '', star, name = '', fixed, list] = match
    if (star) return { name, type, shape: 'optional', size: 1 }
    if (fixed !== undefined) return { name, type, shape: 'fixed', size: numberOf(fixed) }
    if (list !== undefined) return { name, type, shape: 'list', size: numberOf(list) }
    return { name, type, shape: 'value', size: 1 }
  }
  const typedefs = new Map(
    [...code.matchAll(/^typedef\s+([^;]+);/gm)].map(([, text = '']) => {
      const parsed = field(text)
      return [parsed.name, parsed] as const
    }),
  )
  const structs = new Map(
    [...code.matchAll(/^struct\s+(\w+)\s*\{([^}]*)\}/gm)].map(
      ([, name = '', body = '']) =>
        [
          name,
          body
            .split(';')
            .map((line) => line.trim())
            .filter(Boolean)
            .map(field),
        ] as const,
    ),
  )
  const unions = [...code.matchAll(/^union\s+(\w+)/gm)].map(([, name = '']) => name)
  const enums = new Set([...code.matchAll(/^enum\s+(\w+)/gm)].map(([, name = '']) => name))
  return { constants, typedefs, structs, unions, enums, procedures: proceduresOf(source) }
}

/** Each procedure follows a comment whose annotations say, among others, whether it opens a stream. */
function proceduresOf(source: string): Procedure[] {
  return [...source.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*((?:REMOTE|QEMU)_PROC_\w+)\s*=\s*(\d+)/g)].map(
    ([, notes = '', constant = '', number = '']) => ({
      constant,
      number: Number(number),
      stream: notes.includes('@readstream') ? 'read' : notes.includes('@writestream') ? 'write' : undefined,
    }),
  )
}
