/** The config drive of a server that has one: made with it, and made again by a hard reboot. */
import { randomBytes } from 'node:crypto'
import { guestDocuments } from '../domain/guest-metadata.ts'
import type { Server } from '../domain/server.ts'
import type { Base } from '../task/action.ts'
import type { PortFacts } from '../virt/driver.ts'
import type { HostVerbs, Reach } from './define.ts'
import { portFactsOf } from './ports.ts'
import { hostOf } from './power.ts'

const SEED_BYTES = 512

export async function writeConfigDrive(host: HostVerbs, server: Server, ports: readonly PortFacts[]): Promise<void> {
  if (!server.configDrive) return
  const documents = guestDocuments(server, ports, randomBytes(SEED_BYTES).toString('base64'))
  const files = Object.fromEntries(
    Object.entries(documents).map(([path, content]) => [path, Buffer.from(content).toString('base64')]),
  )
  await host.createConfigDrive({ serverId: server.id, files })
}

export async function rewriteConfigDrive(ctx: Reach & Base<unknown>): Promise<void> {
  if (ctx.server.configDrive)
    await writeConfigDrive(hostOf(ctx), ctx.server, await portFactsOf(ctx.neutron, ctx.server))
}
