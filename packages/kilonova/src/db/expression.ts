/** Users' regular expressions, for filters: an engine that never backtracks, loaded by the first who asks, since it is large and few do. */
import { NovaError } from '../domain/errors.ts'

/** Time grows with an expression's length times that of all names. */
const LONGEST = 255
/** Instructions: nested repetitions make many out of a few letters, and each is tried at each letter of each name. Usual ones have 8 to 55. */
const LARGEST = 500

/** Whether the expression is found in a text, in any case of letters, as with upstream's usual database. Errors: NovaError BadRequest. */
export async function expressionOf(expression: string): Promise<(text: string) => boolean> {
  if (expression.length > LONGEST)
    throw new NovaError('BadRequest', {
      message: `Invalid regular expression: it is longer than ${LONGEST} characters.`,
    })
  const { RE2JS } = await import('re2js')
  try {
    const compiled = RE2JS.compile(expression, RE2JS.CASE_INSENSITIVE)
    if (compiled.programSize() > LARGEST) throw new Error('too large')
    return (text) => compiled.matcher(text).find()
  } catch (cause) {
    throw new NovaError('BadRequest', { message: `Invalid regular expression: ${expression}` }, { cause })
  }
}

/**
 * The same as a LIKE pattern (escaped by a backslash) where an expression is one of letters, digits, dots and the like, perhaps anchored:
 * what users type as a name or an address. Undefined: it is more than that.
 */
export function likeOf(expression: string): string | undefined {
  const [, start = '', text = '', end = ''] = /^(\^?)((?:[\w:/@ ,=~-]|\.|\\[.:/@-])*)(\$?)$/.exec(expression) ?? []
  if (text === '') return undefined
  const pattern = text.replaceAll(/\\(.)|[.%_]/g, (found, escaped?: string) =>
    escaped !== undefined ? escaped : found === '.' ? '_' : `\\${found}`,
  )
  return `${start === '' ? '%' : ''}${pattern}${end === '' ? '%' : ''}`
}
