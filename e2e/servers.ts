// Servers over plain HTTP, for tests in which the client is not the point: made, watched until a status, removed.
import { setTimeout as pause } from 'node:timers/promises'
import { SessionError, type Session } from '@kilonova/cloud/session.ts'

export interface Shown {
  readonly id: string
  readonly name: string
  readonly status: string
  readonly 'OS-EXT-STS:task_state': string | null
  readonly fault?: { readonly code: number; readonly message: string }
  readonly addresses: Readonly<Record<string, readonly { readonly addr: string }[]>>
}

const LOOK_MS = 50

export interface Wish {
  readonly name: string
  readonly imageId?: string
  /** Default m1.nano. */
  readonly flavorId?: string
  readonly keyName?: string
  readonly userData?: string
  readonly configDrive?: boolean
}

/** On `private`. */
export async function createServer(
  session: Session,
  { name, imageId, flavorId = '42', keyName, userData, configDrive = false }: Wish,
): Promise<string> {
  const uuid = await idOf(session, 'network', '/v2.0/networks', 'private')
  const imageRef = imageId ?? (await idOf(session, 'image', '/v2/images', 'demo'))
  const optional = {
    ...(keyName === undefined ? {} : { key_name: keyName }),
    ...(userData === undefined ? {} : { user_data: userData }),
  }
  const { body } = await session.call('compute', 'POST', '/servers', {
    server: { name, flavorRef: flavorId, imageRef, networks: [{ uuid }], config_drive: configDrive, ...optional },
  })
  return (body as { server: { id: string } }).server.id
}

export async function idOf(
  session: Session,
  service: 'network' | 'image',
  path: string,
  name: string,
): Promise<string> {
  const { body } = await session.call(service, 'GET', `${path}?name=${name}`)
  const [found] = Object.values(body as Record<string, { id: string }[] | string>).find(Array.isArray) ?? []
  if (!found) throw new Error(`${service} knows no ${name}`)
  return found.id
}

export async function serverNamed(session: Session, name: string): Promise<string> {
  const { body } = await session.call('compute', 'GET', `/servers?name=${encodeURIComponent(`^${name}$`)}`)
  const [found] = (body as { servers: { id: string }[] }).servers
  if (!found) throw new Error(`there is no server ${name}`)
  return found.id
}

/** Undefined when there is none (any more). */
export async function show(session: Session, id: string): Promise<Shown | undefined> {
  try {
    const { body } = await session.call('compute', 'GET', `/servers/${id}`)
    return (body as { server: Shown }).server
  } catch (error) {
    if (error instanceof SessionError && error.status === 404) return undefined
    throw error
  }
}

/** The server once it rests in one of the statuses; `GONE` is one. Errors: Error with where it stands when it is too late. */
export async function settled(
  session: Session,
  id: string,
  statuses: readonly string[],
  milliseconds: number,
): Promise<Shown | undefined> {
  const until = performance.now() + milliseconds
  for (;;) {
    const server = await show(session, id)
    if (statuses.includes(server?.status ?? 'GONE')) return server
    if (performance.now() > until)
      throw new Error(
        `not ${statuses.join(' or ')} within ${Math.round(milliseconds)} ms, but ${server?.status ?? 'GONE'}: ${server?.fault?.message ?? 'no fault'}`,
      )
    await pause(LOOK_MS)
  }
}

/** For a task that is held there: one that goes on may be past it before anybody looks. */
export async function taskStateBecomes(session: Session, id: string, wanted: string): Promise<Shown> {
  const until = performance.now() + 30_000
  for (;;) {
    const server = await show(session, id)
    if (server?.['OS-EXT-STS:task_state'] === wanted) return server
    if (performance.now() > until)
      throw new Error(`not ${wanted}, but ${server?.['OS-EXT-STS:task_state'] ?? 'without a task'}`)
    await pause(LOOK_MS)
  }
}

export async function active(session: Session, id: string, milliseconds = 30_000): Promise<Shown> {
  const server = await settled(session, id, ['ACTIVE', 'ERROR'], milliseconds)
  if (server?.status !== 'ACTIVE') throw new Error(`the server failed: ${server?.fault?.message ?? 'no fault'}`)
  return server
}

export async function removeServer(session: Session, id: string): Promise<void> {
  await session.call('compute', 'DELETE', `/servers/${id}`).catch((error: unknown) => {
    if (!(error instanceof SessionError && error.status === 404)) throw error
  })
  await settled(session, id, ['GONE'], 30_000)
}

export const act = async (session: Session, id: string, action: Readonly<Record<string, unknown>>): Promise<void> =>
  void (await session.call('compute', 'POST', `/servers/${id}/action`, action))

export async function consoleOf(session: Session, id: string): Promise<string> {
  const { body } = await session.call('compute', 'POST', `/servers/${id}/action`, { 'os-getConsoleOutput': {} })
  return (body as { output: string }).output
}

/** Waits until the console's text satisfies, and answers with it. */
export async function consoleShows(
  session: Session,
  id: string,
  wanted: (text: string) => boolean,
  milliseconds = 90_000,
): Promise<string> {
  const until = performance.now() + milliseconds
  for (;;) {
    const text = await consoleOf(session, id)
    if (wanted(text)) return text
    if (performance.now() > until) throw new Error(`the console does not show it; it ends with:\n${text.slice(-2000)}`)
    await pause(200) // a console's output is not announced
  }
}

// Other programs of the guest may go on writing behind it.
const PROMPT = /^\S+ login: /gm
export const prompts = (text: string): number => [...text.matchAll(PROMPT)].length
