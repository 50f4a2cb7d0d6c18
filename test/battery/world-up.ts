/** A world whose hosts are up: what most files of the battery begin with. */
import { life } from './life.ts'
import { world, type World } from './world.ts'

export interface WorldUp {
  readonly w: World
  /** By name; who stops one and starts it again puts the new one here. */
  readonly hosts: Map<string, { close(): Promise<void> }>
  close(): Promise<void>
}

export async function worldUp(): Promise<WorldUp> {
  const w = await world()
  // Hosts ask a conductor what they owe before they serve.
  const conductor = await w.conductor(life())
  const hosts = new Map(await Promise.all(w.hosts.map(async (host) => [host, await w.startHost(host)] as const)))
  await conductor.close()
  return {
    w,
    hosts,
    close: async () => {
      await Promise.all([...hosts.values()].map((host) => host.close()))
      await w.close()
    },
  }
}
