/** Steps about power that start, stop and both reboots share. Each may be repeated, and says how it is undone. */
import { NovaError } from '../domain/errors.ts'
import type { Base } from '../task/action.ts'
import type { HostVerbs, Reach } from './define.ts'
import { guestOf } from './guest.ts'
import { portFactsOf } from './ports.ts'

type Ctx = Reach & Base<unknown>

export function hostOf({ server, hostAt }: Pick<Ctx, 'server' | 'hostAt'>): HostVerbs {
  if (server.host === null) throw new NovaError('InstanceNotReady', { id: server.id })
  return hostAt(server.host)
}

/** A guest that has not loaded its driver yet misses the first press of the power button. Upstream's `shutdown_retry_interval`. */
const PRESS_AGAIN_SECONDS = 10

/** Asks the guest to shut down and waits for it; what does not listen is left for the step that takes the power. */
export async function shutDownGuest(ctx: Ctx, timeoutSeconds: number): Promise<void> {
  const host = hostOf(ctx)
  if (timeoutSeconds <= 0 || (await host.powerState()) !== 'running') return
  for (let until = 0; until < timeoutSeconds;) {
    until = Math.min(until + PRESS_AGAIN_SECONDS, timeoutSeconds)
    await host.shutdown()
    if ((await host.powerState()) !== 'running') return
    if ((await ctx.waitFor({ name: 'power', tag: 'shutdown' }, until)) !== undefined) return
  }
}

/** Whoever makes an image must not keep a conductor waiting for ever. */
const LONGEST_SHUTDOWN_SECONDS = 3600

/** The image may ask for longer or shorter than the configuration. */
export function shutdownTimeout({ options, server }: Pick<Ctx, 'options' | 'server'>): number {
  const asked = Number(server.image?.properties['os_shutdown_timeout'] ?? Number.NaN)
  return asked >= 0 ? Math.min(asked, LONGEST_SHUTDOWN_SECONDS) : options.shutdownTimeoutSeconds
}

/** Plugs the ports and makes the guest run, whatever of both is already there. */
export async function startGuest(ctx: Ctx): Promise<void> {
  const ports = await portFactsOf(ctx.neutron, ctx.server)
  const host = hostOf(ctx)
  await host.plug(ports)
  await host.start(guestOf(ctx.server, ports))
}

/** Undo of whatever took the power away: as admitted, running, paused or off. */
export async function restorePower(ctx: Ctx): Promise<void> {
  const { powerState } = ctx.admitted
  if (powerState !== 'running' && powerState !== 'paused') return hostOf(ctx).powerOff()
  await startGuest(ctx)
  if (powerState === 'paused') await hostOf(ctx).pause()
}
