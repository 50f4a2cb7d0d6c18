/** JSON from strangers: what is nested deeper than anybody needs is refused before a parser or a schema follows it down. */

const MAX_DEPTH = 64

export class JsonError extends Error {
  override readonly name = 'JsonError'
}

/** Errors: JsonError for what is no JSON, or nested deeper than 64. */
export function parseJson(text: string): unknown {
  if (isDeeperThan(text, MAX_DEPTH)) throw new JsonError(`nested deeper than ${MAX_DEPTH}`)
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw new JsonError((cause as Error).message, { cause })
  }
}

const [QUOTE, BACKSLASH] = [0x22, 0x5c]
const OPENING = [0x5b, 0x7b]
const CLOSING = [0x5d, 0x7d]

/** Counts brackets outside of strings; what is no JSON may be counted wrong, and is refused anyway. */
function isDeeperThan(text: string, most: number): boolean {
  let depth = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (inString) {
      if (code === BACKSLASH) at++
      else if (code === QUOTE) inString = false
    } else if (code === QUOTE) inString = true
    else if (OPENING.includes(code)) {
      if (++depth > most) return true
    } else if (CLOSING.includes(code)) depth--
  }
  return false
}
