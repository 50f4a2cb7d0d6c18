/** `POST /servers/{id}/action`: the body's one key says what. Most are tasks of the action registry, a few are answered at once. */
import { z } from 'zod'
import { admit } from '../../actions/admit.ts'
import { CANCEL } from '../../actions/cancel.ts'
import type { ServerAction, ValueSchema } from '../../actions/define.ts'
import { ACTIONS } from '../../actions/index.ts'
import {
  byMinor,
  MAX_MINOR,
  MIN_MINOR,
  minorOf,
  versionOf,
  type Microversion,
  type VersionTable,
} from '../../domain/microversion.ts'
import type { Server } from '../../domain/server.ts'
import { denied } from '../../task/denied.ts'
import type { Ctx } from '../context.ts'
import { badRequest, notFound } from '../faults.ts'
import { invalid } from '../invalid.ts'
import { post } from '../resource.ts'
import { consoleOutput } from './console-output.ts'
import { consoleActions } from './remote-consoles.ts'
import { gone } from './removed.ts'
import { createBackupRequest, createImageRequest } from './server-create-image.ts'
import { rebuildRequest } from './server-rebuild.ts'
import { rescueRequest } from './server-rescue.ts'
import { shelveRequest, unshelveRequest } from './server-shelve.ts'
import { addFixedIp, removeFixedIp } from './fixed-ips.ts'
import { addFloatingIp, removeFloatingIp } from './floating-ips.ts'
import { addSecurityGroup, removeSecurityGroup } from './security-groups.ts'
import { adminPassword } from './server-admin-password.ts'
import { serverCancel } from './server-cancel.ts'
import { crashDump } from './server-crash-dump.ts'
import { lock, unlock } from './server-lock.ts'
import { serverReset } from './server-reset.ts'
import { serverTarget } from './server-target.ts'
import type { TaskRequest, View } from './task-request.ts'

/** What is answered at once, without a task. */
export interface PlainAction {
  readonly policy: string
  /** Of what stands under the key; a table holds from each version until the next entry, and before the first there is no such action. */
  readonly value: z.ZodType | VersionTable<z.ZodType>
  /** Up to and with this microversion. */
  readonly until?: Microversion
  run(ctx: Ctx, server: Server, value: unknown): Promise<{ readonly status: number; readonly body?: unknown }>
}

const PLAIN: Readonly<Record<string, PlainAction>> = {
  'os-getConsoleOutput': consoleOutput,
  addSecurityGroup,
  removeSecurityGroup,
  addFixedIp,
  removeFixedIp,
  addFloatingIp,
  removeFloatingIp,
  lock,
  unlock,
  'os-resetState': serverReset,
  trigger_crash_dump: crashDump,
  changePassword: adminPassword,
  [CANCEL]: serverCancel,
  ...consoleActions,
}

/** What upstream removed. */
const GONE: readonly string[] = ['os-getRDPConsole', 'resetNetwork']
/** What is looked up, or made elsewhere, before there is a task. */
const REQUESTS: ReadonlyMap<string, TaskRequest> = new Map(
  [createImageRequest, createBackupRequest, rebuildRequest, rescueRequest, shelveRequest, unshelveRequest].map(
    (request) => [request.key, request],
  ),
)

/** Reboot has two actions under one key: the one whose schema fits is meant. */
const TASKS = Map.groupBy(
  Object.values(ACTIONS).filter((action) => action.wire !== undefined),
  (action) => action.wire?.key ?? '',
)

/** The last version of what ended before the newest. */
export const ACTION_ENDS: Readonly<Record<string, Microversion | undefined>> = Object.fromEntries(
  Object.entries(PLAIN).map(([key, { until }]) => [key, until]),
)

/** Every key there is, for the documents. */
export const ACTION_KEYS: readonly string[] = [...TASKS.keys(), ...REQUESTS.keys(), ...Object.keys(PLAIN)]

const wrong = (error: unknown, key: string, value: unknown) =>
  error instanceof z.ZodError
    ? badRequest(
        invalid(
          new z.ZodError(error.issues.map((issue) => ({ ...issue, path: [key, ...issue.path] }))),
          { [key]: value },
          'field/attribute',
        ),
      )
    : error

const isSchema = <S extends ValueSchema>(value: S | VersionTable<S>): value is S => 'parse' in value

/** The schema at this version. Errors: ApiFault 404 where the version has no such action. */
function schemaAt<S extends ValueSchema>(
  { value, until }: { readonly value: S | VersionTable<S>; readonly until?: Microversion },
  minor: number,
): S {
  const schema = isSchema(value) ? value : byMinor(value)(minor)
  if (!schema || (until !== undefined && minor > minorOf(until))) throw notFound()
  return schema
}

function fitting(
  key: string,
  value: unknown,
  minor: number,
): { readonly action: ServerAction; readonly body: unknown } | undefined {
  let problem: unknown
  for (const action of TASKS.get(key) ?? []) {
    const schema = action.wire && schemaAt(action.wire, minor)
    // An empty object says as little as null does, and some clients send it.
    for (const given of typeof value === 'object' && value !== null && Object.keys(value).length === 0
      ? [value, null]
      : [value])
      try {
        return { action, body: schema?.parse(given) }
      } catch (error) {
        problem ??= error
      }
  }
  if (problem !== undefined) throw wrong(problem, key, value)
  return undefined
}

async function asked(
  ctx: Ctx,
  { key, action: chosen, status, value: schemas, prepare }: TaskRequest,
  server: Server,
  value: unknown,
): Promise<Answer> {
  const action = typeof chosen === 'function' ? chosen(ctx, server) : chosen
  const schema = ctx.atVersion(schemas)
  if (!schema) throw notFound()
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw wrong(parsed.error, key, value)
  ctx.check(action.policy, { projectId: server.projectId, userId: server.userId })
  const problem = denied(action.shownAs.action, action, server, ctx.caller.isAdmin)
  if (problem) throw problem
  const { body, refused, answer } = await prepare(ctx, server, parsed.data as never)
  try {
    await admit(ctx, ctx.caller, action, server.id, body)
  } catch (error) {
    await refused?.()
    throw error
  }
  ctx.setStatus(status)
  const view = await answer?.()
  return view ? { view } : {}
}

interface Answer {
  readonly body?: unknown
  readonly view?: View
}
interface Act {
  readonly request: Readonly<Record<string, unknown>>
  readonly minor: number
}

async function act(ctx: Ctx, { request, minor }: Act, server: Server): Promise<Answer> {
  const [key = '', ...others] = Object.keys(request)
  if (others.length > 0) throw badRequest('Multiple actions specified: the request body holds exactly one.')
  const value = request[key]
  const target = { projectId: server.projectId, userId: server.userId }
  const plain = Object.hasOwn(PLAIN, key) ? PLAIN[key] : undefined
  if (plain) {
    const parsed = schemaAt(plain, minor).safeParse(value)
    if (!parsed.success) throw wrong(parsed.error, key, value)
    ctx.check(plain.policy, target)
    const { status, ...answer } = await plain.run(ctx, server, parsed.data)
    ctx.setStatus(status)
    return answer
  }
  if (GONE.includes(key)) throw gone()
  const prepared = REQUESTS.get(key)
  if (prepared) return asked(ctx, prepared, server, value)
  const task = fitting(key, value, minor)
  if (!task) throw badRequest(`There is no such action: ${key}. Verify the request body contains a valid action.`)
  ctx.check(task.action.wire?.policy ?? task.action.policy, target)
  await admit(ctx, ctx.caller, task.action, server.id, task.body, ctx.config.quota)
  ctx.setStatus(task.action.wire?.status ?? 202)
  return {}
}

/** What a key's value may be depends on the version, so the version comes with the body. */
const body: Readonly<Record<Microversion, z.ZodType<Act>>> = Object.fromEntries(
  Array.from({ length: MAX_MINOR - MIN_MINOR + 1 }, (_each, index) => index + MIN_MINOR).map((minor) => [
    versionOf(minor),
    z.record(z.string(), z.unknown()).transform((request) => ({ request, minor })),
  ]),
)

export const serverAction = [
  post('/servers/:id/action', {
    policy: 'by the body',
    body,
    target: serverTarget,
    run: (ctx, { body: asked, target }) => act(ctx, asked, target),
    view: ({ body: answer, view }, at) => (view ? view(at) : answer),
  }),
]
