/** Dates and times as clients write them: ISO 8601, of which the end may be left out. Of what else JavaScript reads, upstream reads nothing. */

const MOMENT =
  /^(\d{4})(?:-?(\d{2})(?:-?(\d{2})(?:[ T](\d{2})(?::?(\d{2})(?::?(\d{2})(?:[.,](\d+))?)?)?(Z|([+-])(\d{2}):?(\d{2})?)?)?)?)?$/i
const MINUTE_MS = 60_000

/** In milliseconds since 1970; without a zone it is UTC. Undefined: it is none. */
export function parseMoment(text: string): number | undefined {
  const found = MOMENT.exec(text)
  if (!found) return undefined
  const [, year, month = '01', day = '01', hour = '00', minute = '00', second = '00', fraction = ''] = found
  const [sign, zoneHours = '00', zoneMinutes = '00'] = found.slice(9)
  const millis = fraction.slice(0, 3).padEnd(3, '0')
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${millis}Z`)
  // JavaScript takes 24:00 for the next day, and the 30th of February for March's second.
  if (Number.isNaN(ms) || new Date(ms).getUTCDate() !== Number(day)) return undefined
  const ahead = (Number(zoneHours) * 60 + Number(zoneMinutes)) * MINUTE_MS
  return sign === '-' ? ms + ahead : ms - ahead
}
