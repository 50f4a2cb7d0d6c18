/**
 * How fast each of a guest's network cards may be: `quota:vif_{inbound,outbound}_{average,peak,burst}` of its flavor. Inbound is towards the
 * guest. Upstream hands them to libvirt's <bandwidth> as they are, so that what is wrong with them ends the guest's start; here it is said before.
 */
import { refuse } from './wishes.ts'

/** KiB/s and KiB. (A type, not an interface: it is journalled as JSON.) */
export type NicRate = {
  readonly averageKib: number
  /** How fast a burst may be; undefined: as fast as can be. */
  readonly peakKib?: number | undefined
  /** How much may be sent at once after a rest; undefined: as little as is good. */
  readonly burstKib?: number | undefined
}
export type NicQuota = {
  readonly inbound?: NicRate | undefined
  readonly outbound?: NicRate | undefined
}
type ExtraSpecs = Readonly<Record<string, string>>

/** Undefined: as fast as can be. Errors: BadRequest, for what is not a number, and for a peak or burst of no average. */
export function nicQuota(extraSpecs: ExtraSpecs): NicQuota | undefined {
  const inbound = rate(extraSpecs, 'inbound')
  const outbound = rate(extraSpecs, 'outbound')
  if (!inbound && !outbound) return undefined
  return { ...(inbound ? { inbound } : {}), ...(outbound ? { outbound } : {}) }
}

/** An average of 0 is none, as libvirt has it. */
function rate(extraSpecs: ExtraSpecs, side: 'inbound' | 'outbound'): NicRate | undefined {
  const name = (what: string) => `quota:vif_${side}_${what}`
  const [averageKib, peakKib, burstKib] = ['average', 'peak', 'burst'].map((what) => number(extraSpecs, name(what)))
  if (averageKib === undefined && (peakKib !== undefined || burstKib !== undefined))
    throw refuse(`${name('average')} is missing: without it, ${name('peak')} and ${name('burst')} mean nothing.`)
  if (!averageKib) return undefined
  return { averageKib, ...(peakKib ? { peakKib } : {}), ...(burstKib ? { burstKib } : {}) }
}

function number(extraSpecs: ExtraSpecs, name: string): number | undefined {
  const text = extraSpecs[name]
  if (text === undefined) return undefined
  if (!/^\s*\+?\d{1,15}\s*$/.test(text))
    throw refuse(`Invalid value '${text}' of ${name}: it must be a whole number of kibibytes.`)
  return Number(text)
}
