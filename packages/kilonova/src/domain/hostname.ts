/** The host name of a guest, made of its server's name: what DHCP and metadata tell it. */
const LONGEST_LABEL = 63

/** Lower case letters, digits and dashes of the name; `server-<id>` when nothing of it is left. Upstream: nova/utils.py sanitize_hostname. */
export function hostnameOf(name: string, id: string): string {
  const plain = name
    .replaceAll(/[\s_.]/g, '-')
    .replaceAll(/[^a-zA-Z0-9-]/g, '')
    .toLowerCase()
    .replaceAll(/^-+|-+$/g, '')
  return plain === '' ? `server-${id}` : plain.slice(0, LONGEST_LABEL).replace(/-+$/, '')
}

/** Of several servers made at once: the number goes into the first label. */
export function numberedHostname(hostname: string, number: number): string {
  const [label = '', ...domain] = hostname.split('.')
  const suffix = `-${number}`
  return [`${label.slice(0, LONGEST_LABEL - suffix.length)}${suffix}`, ...domain].join('.')
}
