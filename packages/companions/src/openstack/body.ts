/** Bodies and queries by schema: what does not fit is a 400 that names the place. */
import type { z } from 'zod'
import { Fault } from './fault.ts'

export function parsed<T>(schema: z.ZodType<T>, value: unknown, type?: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const where = issue?.path.map(String).join('.') || 'the body'
  throw new Fault(400, `Invalid input for ${where}: ${issue?.message ?? 'it is wrong'}.`, type ? { type } : {})
}
