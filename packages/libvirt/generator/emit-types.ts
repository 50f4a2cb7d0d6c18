/** Prints src/protocol-types.gen.ts: types only, so that nothing of it is loaded at run time. */
import type { Call, Kind, Model, Slot } from './resolve.ts'

type Side = 'in' | 'out'
const BASE: Readonly<Record<string, string>> = {
  i: 'number',
  u: 'number',
  d: 'number',
  s: 'string',
  U: 'string',
  c: 'string',
  o: 'Uint8Array',
  P: 'TypedParam',
}

function typeText({ base, shape }: Kind, side: Side): string {
  const one =
    typeof base === 'object'
      ? base.struct
      : base === 'h' || base === 'H'
        ? side === 'in'
          ? 'Integer'
          : 'bigint'
        : (BASE[base] ?? '')
  if (shape === 'list') return `readonly ${one.includes(' ') ? `(${one})` : one}[]`
  return shape === 'optional' ? `${one} | null` : one
}
/** What a caller may leave out: pointers (absent), `flags` (0), `needResults` (1). */
const mayOmit = ({ name, kind }: Slot): boolean =>
  kind.shape === 'optional' || (name === 'flags' && kind.base === 'u') || name === 'needResults'

const object = (slots: readonly Slot[], side: Side): string =>
  slots.length === 0
    ? 'void'
    : `{ ${slots
        .map(
          (slot) =>
            `readonly ${slot.name}${side === 'in' && mayOmit(slot) ? '?' : ''}: ${typeText(slot.kind, side)}${
              side === 'in' && mayOmit(slot) ? ' | undefined' : ''
            }`,
        )
        .join('; ')} }`

const RESERVED = new Set(['function', 'package', 'default', 'new', 'delete', 'arguments'])

/** Positional: `needResults` is always asked for, trailing arguments that may be left out are optional. */
function methodText({ name, args, ret }: Call): string {
  const shown = args.filter((slot) => slot.name !== 'needResults')
  const lastNeeded = shown.findLastIndex((slot) => !mayOmit(slot))
  const parameters = shown.map((slot, index) => {
    const type = typeText(slot.kind, 'in')
    const label = RESERVED.has(slot.name) ? `${slot.name}_` : slot.name
    return index > lastNeeded ? `${label}?: ${type}` : `${label}: ${type}`
  })
  return `  ${name}(${parameters.join(', ')}): Promise<${answerText(ret)}>`
}
function answerText(ret: readonly Slot[]): string {
  const [first, second] = ret
  if (!first) return 'void'
  const alone = ret.length === 1 || (ret.length === 2 && first.kind.shape === 'list' && second?.name === 'ret')
  return alone ? typeText(first.kind, 'out') : object(ret, 'out')
}

export function emitTypes(header: string, { structs, remote, qemu }: Model): string {
  const all = [...remote, ...qemu]
  const calls = all.filter(({ event }) => !event)
  return `${header}
import type { TypedParam } from './typed-params.ts'

/** A 64-bit argument: any integer in range. Answers are always \`bigint\`. */
export type Integer = bigint | number

${[...structs].map(([name, slots]) => `export interface ${name} ${object(slots, 'out')}`).join('\n')}

/** Every call with its arguments and answer by name. */
export interface Procedures {
${calls.map((call) => `  ${call.name}: { args: ${object(call.args, 'in')}; ret: ${object(call.ret, 'out')} }`).join('\n')}
}

/** Calls that open a stream. */
export type StreamProcedure =
${calls
  .filter(({ stream }) => stream)
  .map(({ name }) => `  | '${name}'`)
  .join('\n')}

/** Messages the daemon sends by itself. */
export interface Messages {
${all
  .filter(({ event }) => event)
  .map(({ name, ret }) => `  ${name}: ${object(ret, 'out')}`)
  .join('\n')}
}

/** The same calls with positional arguments; an answer of one field, or of a list and its length, is given bare. */
export interface Methods {
${calls
  .filter(({ stream }) => !stream)
  .map(methodText)
  .join('\n')}
}
`
}
