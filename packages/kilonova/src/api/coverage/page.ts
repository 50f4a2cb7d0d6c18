/** docs/api-coverage.md, from the registry: which of upstream's methods are served, and which are not. */
import { z } from 'zod'
import { ACTION_KEYS } from '../resources/server-action.ts'
import { OPERATIONS } from '../resources/index.ts'
import type { AnyOperation } from '../resource.ts'
import { ENDPOINTS, SERVER_ACTIONS } from './upstream.ts'

const INTRO = `# What of the Compute API is served

Made from the registry by \`scripts/generate-docs.ts\`. Measured against upstream's methods that live at 2.103; what upstream itself ended earlier, or
answers 410 to, is not counted. What is missing here answers 404, an action 400.
`

/** Served outside of the registry: they need no token. */
const DOCUMENTS = new Set(['GET /'])

const pattern = ({ method, path }: Pick<AnyOperation, 'method' | 'path'>): string =>
  `${method} ${path.replaceAll(/:\w+/g, '*')}`
const served = new Map(
  OPERATIONS.filter(({ until }) => until === undefined).map((operation) => [pattern(operation), operation]),
)

/** Whether a body may have the key, in any version and before anything is made of it. */
function hasKey(body: unknown, key: string): boolean {
  if (body instanceof z.ZodObject) return key in body.shape
  if (body instanceof z.ZodPipe) return hasKey(body.in, key)
  return (
    typeof body === 'object' &&
    body !== null &&
    !(body instanceof z.ZodType) &&
    Object.values(body).some((each) => hasKey(each, key))
  )
}

/** A line of the list, taken apart: method and path, then perhaps an action in braces. */
function isServed(line: string): boolean {
  const [, endpoint = '', action] = /^(\w+ \S+)(?: \{(\w+)\})?/.exec(line) ?? []
  if (DOCUMENTS.has(endpoint)) return true
  const operation = served.get(endpoint)
  if (!operation || action === undefined) return operation !== undefined
  return hasKey(operation.body, action)
}

const shown = (line: string): string => line.replaceAll('*', '…')
const list = (title: string, lines: readonly string[]): string =>
  [`### ${title} (${lines.length})`, '', ...lines.map((line) => `- \`${shown(line)}\``), ''].join('\n')

function part(title: string, lines: readonly string[], done: (line: string) => boolean): string {
  const here = lines.filter(done)
  const missing = lines.filter((line) => !done(line))
  return [`## ${title}: ${here.length} of ${lines.length}`, '', list('Served', here), list('Missing', missing)].join(
    '\n',
  )
}

export const coveragePage = (): string =>
  [
    INTRO,
    part('Methods', ENDPOINTS, isServed),
    part('Actions on servers', SERVER_ACTIONS, (key) => ACTION_KEYS.includes(key)),
  ].join('\n')
