/** An API resource is data: operations of a path, each with policy, schemas, a handler and a view. Microversions are tables; handlers never ask the version. */
import type { z } from 'zod'
import { MAX_MINOR, minorOf, type Microversion, type VersionTable } from '../domain/microversion.ts'
import type { Rule } from '../policy/rules.ts'
import type { At, Ctx } from './context.ts'

/** What stands under a path; `path` begins below the version: `/servers/:id`. */
export interface Operation<B, Q, T, R> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  /** Checked against the target, or the caller's own project where there is none; none: upstream asks for a token alone. */
  readonly policy: Rule | 'by the body' | 'none'
  /** From this microversion on; before it the answer is 404. */
  readonly since?: Microversion
  /** Up to and with this microversion. */
  readonly until?: Microversion
  readonly status?: number | VersionTable<number>
  /** It can only refuse, or answer that there is none: what this cloud has not, in words for the documents. */
  readonly lacks?: string
  readonly body?: B
  readonly query?: Q
  /** What the path names. Errors: NovaError of kind notFound. */
  readonly target?: (ctx: Ctx) => Promise<T>
  run(ctx: Ctx, given: { readonly body: Out<B>; readonly query: Out<Q>; readonly target: T }): Promise<R>
  /** Without one the answer has no body. A text or bytes are sent as they are. */
  readonly view?: View<R> | VersionTable<View<R>>
}
export type Schemas = z.ZodType | VersionTable<z.ZodType>
export type Out<S> = S extends z.ZodType ? z.output<S> : S extends object ? Out<S[keyof S]> : undefined

/** An operation of any types, as the dispatcher holds it. */
export interface AnyOperation extends Omit<Operation<Schemas, Schemas, unknown, unknown>, 'run' | 'view'> {
  run(ctx: Ctx, given: { readonly body: unknown; readonly query: unknown; readonly target: unknown }): Promise<unknown>
  readonly view?: View<unknown> | VersionTable<View<unknown>>
}

type Given<B, Q, T, R> = Omit<Operation<B, Q, T, R>, 'method' | 'path'>
const operation =
  (method: AnyOperation['method']) =>
  <const B extends Schemas = z.ZodUndefined, const Q extends Schemas = z.ZodUndefined, T = undefined, R = void>(
    path: string,
    given: Given<B, Q, T, R>,
  ): AnyOperation =>
    ({ method, path, ...given }) as unknown as AnyOperation

export const get = operation('GET')
export const post = operation('POST')
export const put = operation('PUT')
export const remove = operation('DELETE')

export type View<T> = (value: T, at: At) => unknown
type Read<T, A> = (value: T, at: A) => unknown
interface Span<T, A> {
  readonly since?: Microversion
  /** The first version without it. */
  readonly before?: Microversion
  readonly of: Read<T, A>
}
type Field<T, A> = Read<T, A> | Span<T, A>

export const since = <T, A = At>(version: Microversion, of: Read<T, A>): Span<T, A> => ({ since: version, of })
export const before = <T, A = At>(version: Microversion, of: Read<T, A>): Span<T, A> => ({ before: version, of })

/** Fields that are undefined are left out of the answer. */
export function view<T, A extends { readonly minor: number } = At>(
  fields: Readonly<Record<string, Field<T, A>>>,
): (value: T, at: A) => Record<string, unknown> {
  const spans = Object.entries(fields).map(([name, field]) => ({
    name,
    ...(typeof field === 'function' ? { of: field } : field),
  }))
  const byVersion: { name: string; of: Read<T, A> }[][] = []
  const select = (minor: number) =>
    spans.filter(
      ({ since: from = '2.0', before: end }) => minorOf(from) <= minor && minor < (end ? minorOf(end) : MAX_MINOR + 1),
    )
  return (value, at) => {
    const seen: Record<string, unknown> = {}
    for (const { name, of } of (byVersion[at.minor] ??= select(at.minor))) seen[name] = of(value, at)
    return seen
  }
}

/** `{"keypair": …}`. */
export const wrapped =
  <T>(key: string, inner: View<T>): View<T> =>
  (value, at) => ({ [key]: inner(value, at) })

export interface Page<T> {
  readonly items: readonly T[]
  /** The marker of the next page, when there is one. */
  readonly next: string | undefined
}
/** `{"flavors": […], "flavors_links": [{"rel": "next", …}]}`. */
export const pageOf =
  <T>(key: string, inner: View<T>): View<Page<T>> =>
  ({ items, next }, at) => ({
    [key]: items.map((item) => inner(item, at)),
    ...(next === undefined ? {} : { [`${key}_links`]: [{ rel: 'next', href: nextHref(at, next) }] }),
  })

export function nextHref({ base, path, search }: Pick<At, 'base' | 'path' | 'search'>, marker: string): string {
  const query = new URLSearchParams(search)
  query.set('marker', marker)
  return `${base}${path}?${query.toString()}`
}

/** A full page is followed by another one, as upstream has it: the last may be empty. */
export const fullPage = <T>(items: readonly T[], limit: number, idOf: (row: T) => string): Page<T> => {
  const lastItem = items.at(-1)
  return { items, next: items.length >= limit && lastItem !== undefined ? idOf(lastItem) : undefined }
}

export const selfLinks = ({ base, bookmark }: Pick<At, 'base' | 'bookmark'>, kind: string, id: string) => [
  { rel: 'self', href: `${base}/${kind}/${id}` },
  { rel: 'bookmark', href: `${bookmark}/${kind}/${id}` },
]
