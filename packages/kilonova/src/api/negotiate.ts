/** Which microversion a request asks for: the standard header, else Nova's old one, else 2.1. */
import type { IncomingHttpHeaders } from 'node:http'
import { MAX_MINOR, MIN_MINOR, readVersion, versionOf } from '../domain/microversion.ts'
import { ApiFault } from './faults.ts'

const STANDARD = 'openstack-api-version'
const LEGACY = 'x-openstack-nova-api-version'
export const VARY = 'OpenStack-API-Version, X-OpenStack-Nova-API-Version'

/** The standard header may name several services: `compute 2.53, volume 3.50`. */
function askedFor(headers: IncomingHttpHeaders): string | undefined {
  const standard = headers[STANDARD]
  const mine = (Array.isArray(standard) ? standard.join(',') : (standard ?? ''))
    .split(',')
    .map((part) => /^\s*compute\s+(\S+)\s*$/i.exec(part)?.[1])
    .find((version) => version !== undefined)
  const legacy = headers[LEGACY]
  return mine ?? (Array.isArray(legacy) ? legacy[0] : legacy)
}

/** Errors: ApiFault 400 when malformed, 406 when out of range. */
export function negotiate(headers: IncomingHttpHeaders): number {
  const text = askedFor(headers)
  if (text === undefined) return MIN_MINOR
  const asked = readVersion(text)
  if ('minor' in asked) return asked.minor
  if (asked.error === 'malformed')
    throw new ApiFault(
      400,
      `API Version String ${asked.asked} is of invalid format. Must be of format MajorNum.MinorNum.`,
    )
  throw new ApiFault(
    406,
    `Version ${asked.asked} is not supported by the API. Minimum is ${versionOf(MIN_MINOR)} and maximum is ${versionOf(MAX_MINOR)}.`,
  )
}

export const versionHeaders = (minor: number) => ({
  'openstack-api-version': `compute ${versionOf(minor)}`,
  'x-openstack-nova-api-version': versionOf(minor),
  vary: VARY,
})
