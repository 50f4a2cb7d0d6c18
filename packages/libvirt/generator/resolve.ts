/** Turns parsed `.x` files into the flat model the emitters print: procedures with their argument, answer and message fields. */
import { camel, structName } from './names.ts'
import type { Field, Protocol } from './parse-x.ts'

/** Base kinds are the letters the codec understands (src/codec.ts); `struct` names another struct. */
export interface Kind {
  readonly base: 'i' | 'u' | 'h' | 'H' | 'd' | 's' | 'U' | 'o' | 'c' | 'P' | { readonly struct: string }
  /** Largest length of the base itself (string, opaque, text). */
  readonly limit?: number
  readonly shape: 'value' | 'optional' | 'list'
  readonly size: number
}
export interface Slot {
  readonly name: string
  readonly kind: Kind
}
export interface Call {
  readonly number: number
  readonly name: string
  readonly stream: 'read' | 'write' | undefined
  readonly args: readonly Slot[]
  readonly ret: readonly Slot[]
  /** Not a call but a message the daemon sends by itself. */
  readonly event: boolean
}
export interface Model {
  readonly structs: ReadonlyMap<string, readonly Slot[]>
  readonly remote: readonly Call[]
  readonly qemu: readonly Call[]
}

const INTEGERS: Readonly<Record<string, Kind['base']>> = {
  int: 'i',
  'unsigned int': 'u',
  'unsigned char': 'u',
  'unsigned short': 'u',
  char: 'i',
  hyper: 'h',
  'unsigned hyper': 'H',
  double: 'd',
}

export function resolve(protocol: Protocol, nameOf: (constant: string) => string): Model {
  const referenced = new Set<string>()
  const kindOf = (field: Field): Kind => {
    const { type, shape, size } = field
    if (type === 'string') return { base: 's', limit: size, shape: 'value', size: 1 }
    if (type === 'opaque' && shape === 'fixed') return { base: 'U', shape: 'value', size: 1 }
    if (type === 'opaque') return { base: 'o', limit: size, shape: 'value', size: 1 }
    if (type === 'char' && shape === 'fixed') return { base: 'c', limit: -size, shape: 'value', size: 1 }
    if (type === 'char' && shape === 'list') return { base: 'c', limit: size, shape: 'value', size: 1 }
    if (shape === 'fixed') throw new Error(`fixed array of ${type}: teach the codec first`)
    return { ...baseOf(type, shape), ...(shape === 'value' ? {} : { shape, size }) }
  }
  const baseOf = (type: string, outer: Field['shape']): Kind => {
    const integer = protocol.enums.has(type) ? 'i' : INTEGERS[type]
    if (integer) return { base: integer, shape: 'value', size: 1 }
    if (type === 'remote_typed_param') return { base: 'P', shape: 'value', size: 1 }
    if (protocol.structs.has(type)) referenced.add(type)
    if (protocol.structs.has(type)) return { base: { struct: structName(type) }, shape: 'value', size: 1 }
    const typedef = protocol.typedefs.get(type)
    if (!typedef) throw new Error(`unknown type ${type}`)
    const kind = kindOf(typedef)
    if (outer !== 'value' && kind.shape !== 'value') throw new Error(`${type} within ${outer}: teach the codec first`)
    return kind
  }
  const slots = (fields: readonly Field[]): Slot[] =>
    fields.flatMap((field) => {
      const nested = field.name === 'msg' ? protocol.structs.get(field.type) : undefined
      return nested ? slots(nested) : [{ name: camel(field.name), kind: kindOf(field) }]
    })
  const [union, ...others] = protocol.unions
  if (union !== 'remote_typed_param_value' || others.length > 0)
    throw new Error('a union other than the typed parameter')

  const used = new Set<string>(['remote_typed_param', 'remote_error'])
  const take = (name: string): Slot[] | undefined => {
    const fields = protocol.structs.get(name)
    if (fields) used.add(name)
    return fields && slots(fields)
  }
  const callsOf = (program: 'remote' | 'qemu'): Call[] =>
    protocol.procedures
      .filter(({ constant }) => constant.startsWith(program.toUpperCase()))
      .map(({ constant, number, stream }) => {
        const wire = constant.toLowerCase().replace('_proc_', '_')
        const message = take(`${wire}_msg`)
        return {
          number,
          stream,
          name: nameOf(constant),
          event: message !== undefined,
          args: take(`${wire}_args`) ?? [],
          ret: message ?? take(`${wire}_ret`) ?? [],
        }
      })
  const remote = callsOf('remote')
  const qemu = callsOf('qemu')
  const shared = [...protocol.structs].filter(
    ([name]) => referenced.has(name) || (!used.has(name) && !/_event_(?!graphics)\w*_msg$/.test(name)),
  )
  const strays = shared.map(([name]) => name).filter((name) => /_(args|ret|msg)$/.test(name) && !referenced.has(name))
  if (strays.length > 0) throw new Error(`belongs to no procedure: ${strays.join(', ')}`)
  return { structs: new Map(shared.map(([name, fields]) => [structName(name), slots(fields)])), remote, qemu }
}
