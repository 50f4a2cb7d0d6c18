/** The generated procedure tables, looked up by name or by program and number; codecs are made on first use. */
import { compileStruct, type Struct } from './codec.ts'
import { NET, QEMU_PROCEDURES, REMOTE_PROCEDURES } from './protocol.gen.ts'

export class Procedure {
  readonly program: number
  readonly number: number
  readonly name: string
  /** `upload` and `download` are calls that open a stream; a console opens as `download` and takes input too. */
  readonly kind: 'call' | 'download' | 'upload' | 'message'
  readonly #argsText: string
  readonly #retText: string
  #args: Struct | undefined
  #ret: Struct | undefined

  constructor(program: number, line: string) {
    const [head = '', args = '', ret = ''] = line.split('|')
    const [, number, name = '', mark] = /^(\d+) (\w+)([!<>]?)$/.exec(head) ?? []
    this.program = program
    this.number = Number(number)
    this.name = name
    this.kind = mark === '!' ? 'message' : mark === '<' ? 'download' : mark === '>' ? 'upload' : 'call'
    this.#argsText = args
    this.#retText = ret
  }
  get args(): Struct {
    return (this.#args ??= compileStruct(this.#argsText))
  }
  /** The answer, or the body of a message. */
  get ret(): Struct {
    return (this.#ret ??= compileStruct(this.#retText))
  }
}

const procedures = [
  [NET.REMOTE_PROGRAM, REMOTE_PROCEDURES] as const,
  [NET.QEMU_PROGRAM, QEMU_PROCEDURES] as const,
].flatMap(([program, table]) =>
  table
    .trim()
    .split('\n')
    .map((line) => new Procedure(program, line)),
)
const byName = new Map(procedures.map((procedure) => [procedure.name, procedure]))
const byNumber = new Map(procedures.map((procedure) => [procedure.program * 1024 + procedure.number, procedure]))

export const allProcedures: readonly Procedure[] = procedures

export function procedureNamed(name: string): Procedure {
  const found = byName.get(name)
  if (!found) throw new TypeError(`libvirt has no procedure "${name}"`)
  return found
}
export const procedureNumbered = (program: number, number: number): Procedure | undefined =>
  byNumber.get(program * 1024 + number)

/** The error body of both replies and streams. */
export const errorStruct = compileStruct(
  'code:i domain:i message:?s level:i dom:?Domain str1:?s str2:?s str3:?s int1:i int2:i net:?Network',
)
