/** Microversions of the Compute API: 2.1 to 2.103. What differs between them is data: a table from the version that brought it. */
export type Microversion = `2.${number}`

export const MIN_MINOR = 1
export const MAX_MINOR = 103

export const minorOf = (version: Microversion): number => Number(version.slice(2))
export const versionOf = (minor: number): Microversion => `2.${minor}`

/** Each entry holds from its version until the next one's. */
export type VersionTable<T> = Readonly<Partial<Record<Microversion, T>>>

/** The table as a function of the minor version; undefined before its first entry. */
export function byMinor<T>(table: VersionTable<T>): (minor: number) => T | undefined {
  const entries = (Object.entries(table) as [Microversion, T][])
    .map(([version, value]) => ({ from: minorOf(version), value }))
    .toSorted((a, b) => a.from - b.from)
  const flat: (T | undefined)[] = []
  for (const [index, { from, value }] of entries.entries())
    flat.fill(value, from, (flat.length = Math.max(flat.length, entries[index + 1]?.from ?? MAX_MINOR + 1)))
  return (minor) => flat[minor]
}

export type Asked = { readonly minor: number } | { readonly error: 'malformed' | 'unsupported'; readonly asked: string }

/** What a version string asks for; `latest` is the newest. */
export function readVersion(text: string): Asked {
  const asked = text.trim()
  if (asked === 'latest') return { minor: MAX_MINOR }
  const match = /^(\d{1,4})\.(\d{1,6})$/.exec(asked)
  if (!match || /^0\d|\.0\d/.test(asked)) return { error: 'malformed', asked }
  const minor = Number(match[2])
  return match[1] === '2' && minor >= MIN_MINOR && minor <= MAX_MINOR ? { minor } : { error: 'unsupported', asked }
}
