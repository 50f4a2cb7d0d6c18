/** Prints src/protocol.gen.ts: the protocol as compact text, one line per struct and procedure, read by src/codec.ts on first use. */
import type { Call, Kind, Model, Slot } from './resolve.ts'

/** The limit of libvirt's ordinary string; written out only where another one holds. */
const STRING_MAX = 4194304

export function kindText({ base, limit, shape, size }: Kind): string {
  const name =
    typeof base === 'object' ? base.struct : base === 's' && limit === STRING_MAX ? 's' : `${base}${limit ?? ''}`
  return shape === 'optional' ? `?${name}` : shape === 'list' ? `${name}*${size}` : name
}
const slotText = (slots: readonly Slot[]): string =>
  slots.map(({ name, kind }) => `${name}:${kindText(kind)}`).join(' ')
const callText = ({ number, name, stream, event, args, ret }: Call): string =>
  `${number} ${name}${event ? '!' : stream === 'read' ? '<' : stream === 'write' ? '>' : ''}|${slotText(args)}|${slotText(ret)}`

export function emitTables(header: string, model: Model, values: readonly (readonly [string, number])[]): string {
  const structs = [...model.structs].map(([name, slots]) => `${name} ${slotText(slots)}`)
  return `${header}
/** \`Name field:kind ...\`; the kinds are explained in codec.ts. */
export const STRUCTS = \`
${structs.join('\n')}
\`

/** \`number name|arguments|answer\`; after the name \`!\` marks a message, \`<\` and \`>\` a call that opens a stream. */
export const REMOTE_PROCEDURES = \`
${model.remote.map(callText).join('\n')}
\`

export const QEMU_PROCEDURES = \`
${model.qemu.map(callText).join('\n')}
\`

/** Program numbers, message types and limits of the framing. */
export const NET = {
${values.map(([name, value]) => `  ${name}: ${value},`).join('\n')}
} as const
`
}
