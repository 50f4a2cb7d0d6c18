/** How options are written down: a type, a default, a unit and a sentence each. */
import { z } from 'zod'

export const text = (fallback: string, sentence: string) => z.string().default(fallback).describe(sentence)
export const optionalText = (sentence: string) => z.string().min(1).optional().describe(sentence)
export const secret = (sentence: string) => z.string().default('').describe(sentence).meta({ secret: true })
export const flag = (fallback: boolean, sentence: string) => z.boolean().default(fallback).describe(sentence)
export const list = (fallback: readonly string[], sentence: string) =>
  z
    .array(z.string())
    .default([...fallback])
    .describe(sentence)
export const choice = <const T extends readonly [string, ...string[]]>(
  values: T,
  fallback: NoInfer<T[number]>,
  sentence: string,
) =>
  z
    .enum(values)
    .default(fallback as never)
    .describe(sentence)

interface Range {
  readonly min?: number
  readonly max?: number
}
/** A whole number. */
export const whole = (fallback: number, unit: string, sentence: string, { min = 0, max = 2 ** 31 }: Range = {}) =>
  z.int().min(min).max(max).default(fallback).describe(sentence).meta({ unit })
export const decimal = (fallback: number, unit: string, sentence: string, { min = 0, max = 1e9 }: Range = {}) =>
  z.number().min(min).max(max).default(fallback).describe(sentence).meta({ unit })
export const port = (fallback: number, sentence: string) => whole(fallback, 'port', sentence, { max: 65_535 })
