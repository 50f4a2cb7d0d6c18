/** The first server, `demo`: booted once, and watched until its console asks for a login. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Session } from './session.ts'

export interface DemoServer {
  readonly id: string
  readonly address: string | undefined
  /** The console's line that asks for a login; undefined when it did not come in time. */
  readonly prompt: string | undefined
}

const LOOK_MS = 250
const BOOT_MS = 180_000
const BUILD_MS = 120_000

/** One of an earlier start is watched on, or made anew when it failed. Errors: Error with the server's fault; AbortError. */
export async function bootDemoServer(session: Session, stop: AbortSignal): Promise<DemoServer> {
  const [image, networks] = await Promise.all([
    session
      .call('image', 'GET', '/v2/images?name=demo')
      .then(({ body }) => (body as { images: { id: string }[] }).images[0]),
    session
      .call('network', 'GET', '/v2.0/networks?name=private')
      .then(({ body }) => (body as { networks: { id: string }[] }).networks),
  ])
  const id =
    (await standing(session)) ??
    (await create(
      session,
      image?.id,
      networks.map(({ id: uuid }) => ({ uuid })),
    ))
  const address = await active(session, id, stop)
  return { id, address, prompt: await loginPrompt(session, id, stop) }
}

/** The id of a server `demo` that has not failed; one that has is removed. */
async function standing(session: Session): Promise<string | undefined> {
  const { body } = await session.call('compute', 'GET', '/servers/detail?name=%5Edemo%24')
  const [known] = (body as { servers: { id: string; status: string }[] }).servers
  if (known?.status !== 'ERROR') return known?.id
  await session.call('compute', 'DELETE', `/servers/${known.id}`)
  return undefined
}

async function create(
  session: Session,
  imageRef: string | undefined,
  networks: readonly { uuid: string }[],
): Promise<string> {
  const { body } = await session.call('compute', 'POST', '/servers', {
    server: { name: 'demo', flavorRef: '42', imageRef, networks },
  })
  return (body as { server: { id: string } }).server.id
}

interface Shown {
  readonly status: string
  readonly fault?: { readonly message: string }
  readonly addresses: Readonly<Record<string, readonly { readonly addr: string }[]>>
}

async function active(session: Session, id: string, signal: AbortSignal): Promise<string | undefined> {
  for (const until = Date.now() + BUILD_MS; Date.now() < until; await delay(LOOK_MS, undefined, { signal })) {
    const { body } = await session.call('compute', 'GET', `/servers/${id}`)
    const { server } = body as { server: Shown }
    if (server.status === 'ERROR')
      throw new Error(`the demo server failed: ${server.fault?.message ?? 'no reason given'}`)
    if (server.status === 'ACTIVE') return Object.values(server.addresses).flat()[0]?.addr
  }
  throw new Error(`the demo server was not active within ${BUILD_MS / 1000} s`)
}

async function loginPrompt(session: Session, id: string, signal: AbortSignal): Promise<string | undefined> {
  for (const until = Date.now() + BOOT_MS; Date.now() < until; await delay(LOOK_MS, undefined, { signal })) {
    const { body } = await session.call('compute', 'POST', `/servers/${id}/action`, {
      'os-getConsoleOutput': { length: 20 },
    })
    // What else the guest writes may follow on the same line.
    const prompt = /^\S+ login:/m.exec((body as { output: string }).output)
    if (prompt) return prompt[0]
  }
  return undefined
}
