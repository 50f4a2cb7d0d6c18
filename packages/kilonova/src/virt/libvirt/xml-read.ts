/** Picks values out of the XML that libvirt wrote: flat, well formed, and by libvirt alone. Not for XML of anyone else. */

const ENTITIES: Readonly<Record<string, string>> = {
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&apos;': "'",
  '&amp;': '&',
}
const plain = (text: string): string =>
  text.replaceAll(/&(?:lt|gt|quot|apos|amp);/g, (entity) => ENTITIES[entity] ?? entity)

/** The text of the first such element that holds only text. */
export function valueAt(xml: string, name: string): string | undefined {
  const found = new RegExp(`<${name}(?: [^>]*)?>([^<]*)</${name}>`).exec(xml)?.[1]
  return found === undefined ? undefined : plain(found)
}

/** An attribute's value in each element of the name. */
export const valuesAt = (xml: string, name: string, attribute: string): string[] =>
  [...xml.matchAll(new RegExp(`<${name} [^>]*?\\b${attribute}=(?:'([^']*)'|"([^"]*)")`, 'g'))].map(
    ([, single, double]) => plain(single ?? double ?? ''),
  )
