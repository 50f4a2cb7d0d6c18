/** A line of upstream's list, held against the registry: is it served, at the versions that upstream serves it? */
import { z } from 'zod'
import type { AnyOperation } from '../resource.ts'
import { ACTION_KEYS } from '../resources/server-action.ts'
import { OPERATIONS } from '../resources/index.ts'

/** `not available`: it is checked and answered as upstream answers where the feature is not there. */
export type Standing = 'served' | 'not available' | 'missing'

/** Served outside of the registry: they need no token. */
const DOCUMENTS = new Set(['GET /', 'GET /versions/*'])

export const pattern = ({ method, path }: Pick<AnyOperation, 'method' | 'path'>): string =>
  `${method} ${path.replaceAll(/:\w+/g, '*')}`
const operations = new Map(OPERATIONS.map((operation) => [pattern(operation), operation]))

/** `GET /a/* {key} from 2.2 until 2.35`, taken apart. */
export function parts(line: string) {
  const [, endpoint = '', action, from, until] =
    /^(\w+ \S+|[\w-]+)(?: \{([\w-]+)\})?(?: from (2\.\d+))?(?: until (2\.\d+))?$/.exec(line) ?? []
  return { endpoint, action, from, until }
}

/** Whether a body may have the key, in any version and before anything is made of it; one that takes any key is asked when it comes. */
function hasKey(body: unknown, key: string): boolean {
  if (body instanceof z.ZodRecord) return true
  if (body instanceof z.ZodObject) return key in body.shape
  if (body instanceof z.ZodPipe) return hasKey(body.in, key)
  return (
    typeof body === 'object' &&
    body !== null &&
    !(body instanceof z.ZodType) &&
    Object.values(body).some((each) => hasKey(each, key))
  )
}

export const operationOf = (line: string): AnyOperation | undefined => operations.get(parts(line).endpoint)

export function standingOf(line: string): Standing {
  const { endpoint, action } = parts(line)
  if (DOCUMENTS.has(endpoint)) return 'served'
  const operation = operations.get(endpoint)
  if (!operation || (action !== undefined && !hasKey(operation.body, action))) return 'missing'
  return operation.lacks === undefined ? 'served' : 'not available'
}
export const standingOfAction = (line: string): Standing =>
  ACTION_KEYS.includes(parts(line).endpoint) ? 'served' : 'missing'
