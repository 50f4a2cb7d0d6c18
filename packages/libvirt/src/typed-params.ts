/** libvirt's typed parameters: a named value that carries its type. 64-bit values are `bigint`. */
import { TypedParameterType } from './constants.gen.ts'
import { ProtocolError } from './errors.ts'
import type { XdrReader, XdrWriter } from './xdr.ts'

export type TypedParam =
  | { readonly field: string; readonly type: 'int' | 'uint' | 'double'; readonly value: number }
  | { readonly field: string; readonly type: 'llong' | 'ullong'; readonly value: bigint }
  | { readonly field: string; readonly type: 'boolean'; readonly value: boolean }
  | { readonly field: string; readonly type: 'string'; readonly value: string }

/** Makers: `param.ullong('bandwidth', 50)`. */
export const param = {
  int: (field: string, value: number): TypedParam => ({ field, type: 'int', value }),
  uint: (field: string, value: number): TypedParam => ({ field, type: 'uint', value }),
  llong: (field: string, value: bigint | number): TypedParam => ({ field, type: 'llong', value: BigInt(value) }),
  ullong: (field: string, value: bigint | number): TypedParam => ({ field, type: 'ullong', value: BigInt(value) }),
  double: (field: string, value: number): TypedParam => ({ field, type: 'double', value }),
  boolean: (field: string, value: boolean): TypedParam => ({ field, type: 'boolean', value }),
  string: (field: string, value: string): TypedParam => ({ field, type: 'string', value }),
} as const

/** A list as a record; where a field comes more than once, the last one counts. */
export const paramsToRecord = (params: readonly TypedParam[]): Record<string, TypedParam['value']> =>
  Object.fromEntries(params.map(({ field, value }) => [field, value]))

export function writeTypedParam(out: XdrWriter, parameter: TypedParam): void {
  out.string(parameter.field)
  switch (parameter.type) {
    case 'int':
      out.int(TypedParameterType.INT)
      return out.int(parameter.value)
    case 'uint':
      out.int(TypedParameterType.UINT)
      return out.uint(parameter.value)
    case 'llong':
      out.int(TypedParameterType.LLONG)
      return out.hyper(parameter.value)
    case 'ullong':
      out.int(TypedParameterType.ULLONG)
      return out.unsignedHyper(parameter.value)
    case 'double':
      out.int(TypedParameterType.DOUBLE)
      return out.double(parameter.value)
    case 'boolean':
      out.int(TypedParameterType.BOOLEAN)
      return out.int(parameter.value ? 1 : 0)
    case 'string':
      out.int(TypedParameterType.STRING)
      return out.string(parameter.value)
  }
}

export function readTypedParam(from: XdrReader, stringMax: number): TypedParam {
  const field = from.string(stringMax)
  const type = from.int()
  switch (type) {
    case TypedParameterType.INT:
      return { field, type: 'int', value: from.int() }
    case TypedParameterType.UINT:
      return { field, type: 'uint', value: from.uint() }
    case TypedParameterType.LLONG:
      return { field, type: 'llong', value: from.hyper() }
    case TypedParameterType.ULLONG:
      return { field, type: 'ullong', value: from.unsignedHyper() }
    case TypedParameterType.DOUBLE:
      return { field, type: 'double', value: from.double() }
    case TypedParameterType.BOOLEAN:
      return { field, type: 'boolean', value: from.int() !== 0 }
    case TypedParameterType.STRING:
      return { field, type: 'string', value: from.string(stringMax) }
    default:
      throw new ProtocolError(`typed parameter "${field}" of unknown type ${type}`)
  }
}
