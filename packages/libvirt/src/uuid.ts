/** UUIDs: 16 bytes on the wire, the canonical lower-case text everywhere else. */

export function formatUuid(bytes: Buffer): string {
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** @throws TypeError when `text` is not 32 hex digits, with or without dashes. */
export function parseUuid(text: string): Buffer {
  const hex = text.replaceAll('-', '')
  if (!/^[0-9a-f]{32}$/i.test(hex)) throw new TypeError(`not a UUID: "${text.slice(0, 64)}"`)
  return Buffer.from(hex, 'hex')
}
