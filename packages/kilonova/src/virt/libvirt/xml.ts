/** XML by construction: whatever a value holds, it stays a value. */

type Value = string | number | undefined
export type Attributes = Readonly<Record<string, Value>>

/** A node made by `element`; nothing else is taken as markup. */
export interface Xml {
  readonly name: string
  readonly attributes: Attributes
  readonly content: readonly Content[]
}
/** False and undefined leave nothing: `condition && element(...)`. */
export type Content = Xml | string | number | false | undefined

export const element = (name: string, attributes: Attributes = {}, ...content: readonly Content[]): Xml => ({
  name,
  attributes,
  content,
})

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
}
/** Control characters cannot be said in XML 1.0, not even escaped. */
const escape = (text: string): string =>
  text
    .replaceAll(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '')
    .replaceAll(/[&<>"']/g, (c) => ESCAPES[c] ?? c)

/** With two spaces per level and a line break at the end. */
export function render({ name, attributes, content }: Xml, indent = ''): string {
  const attrs = Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [` ${key}="${escape(String(value))}"`],
  )
  const open = `${indent}<${name}${attrs.join('')}`
  const parts = content.filter((part) => part !== false && part !== undefined)
  if (parts.length === 0) return `${open}/>\n`
  const nodes = parts.filter((part) => typeof part === 'object')
  if (nodes.length === 0) return `${open}>${escape(parts.join(''))}</${name}>\n`
  return `${open}>\n${nodes.map((node) => render(node, `${indent}  `)).join('')}${indent}</${name}>\n`
}
