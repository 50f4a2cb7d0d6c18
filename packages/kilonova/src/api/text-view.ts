/** A view whose fields are JSON text already: for pages of a thousand, where making objects first would cost more than all the rest. */
import { MAX_MINOR, minorOf, type Microversion } from '../domain/microversion.ts'

/** JSON text, or undefined for a key that is left out. */
export type TextField<T, A> = (value: T, at: A) => string | undefined
interface Span<T, A> {
  readonly since: Microversion
  readonly of: TextField<T, A>
}

export const textSince = <T, A>(since: Microversion, of: TextField<T, A>): Span<T, A> => ({ since, of })
export type TextFields<T, A> = Readonly<Record<string, TextField<T, A> | Span<T, A>>>

/** Serialised: texts are quoted and escaped, what is no JSON value becomes null. */
export const json = (value: unknown): string => JSON.stringify(value) ?? 'null'
/** A word of our own that needs no escaping: an id, a state, a time. */
export const word = (text: string): string => `"${text}"`
export const maybe = (text: string | null): string => (text === null ? 'null' : json(text))

export function textView<T, A extends { readonly minor: number }>(
  fields: TextFields<T, A>,
): (value: T, at: A) => string {
  const spans = Object.entries(fields).map(([name, field]) => ({
    key: `${json(name)}:`,
    ...(typeof field === 'function' ? { since: '2.0' as const, of: field } : field),
  }))
  const byVersion: { readonly key: string; readonly of: TextField<T, A> }[][] = []
  return (value, at) => {
    if (at.minor > MAX_MINOR) throw new Error(`there is no microversion 2.${at.minor}`)
    let text = ''
    for (const { key, of } of (byVersion[at.minor] ??= spans.filter(({ since }) => minorOf(since) <= at.minor))) {
      const field = of(value, at)
      if (field !== undefined) text += text === '' ? `${key}${field}` : `,${key}${field}`
    }
    return `{${text}}`
  }
}
