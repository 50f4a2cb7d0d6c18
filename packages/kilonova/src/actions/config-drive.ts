/** The config drive of a server that has one: made with it, and again by a hard reboot when it is gone. */
import { randomBytes } from 'node:crypto'
import { guestDocuments } from '../domain/guest-metadata.ts'
import type { Base } from '../task/action.ts'
import type { PortFacts } from '../virt/driver.ts'
import type { HostVerbs, Reach } from './define.ts'
import { portFactsOf } from './ports.ts'
import { hostOf } from './power.ts'

type Ctx = Reach & Base<unknown>

const SEED_BYTES = 512

/** Errors: those of the vendor data, where the operator wants them to count. */
export async function writeConfigDrive(
  { server, guestData }: Ctx,
  host: HostVerbs,
  ports: readonly PortFacts[],
): Promise<void> {
  if (!server.configDrive) return
  const { vendorData, dhcpDomain, skippedVersions } = guestData
  const documents = guestDocuments(
    { server, ports, dhcpDomain, randomSeed: randomBytes(SEED_BYTES).toString('base64') },
    { fixed: await vendorData.fixed(), combined: await vendorData.combined(server) },
    skippedVersions,
  )
  const files = Object.fromEntries(
    Object.entries(documents).map(([path, content]) => [path, Buffer.from(content).toString('base64')]),
  )
  await host.createConfigDrive({ serverId: server.id, files })
}

export async function rewriteConfigDrive(ctx: Ctx): Promise<void> {
  if (ctx.server.configDrive) await writeConfigDrive(ctx, hostOf(ctx), await portFactsOf(ctx.neutron, ctx.server))
}
