/** Names: libvirt's own without `vir`, in camelCase; the public API's spelling decides where acronyms are (`domainGetXMLDesc`). */

export const pascal = (snake: string): string =>
  snake
    .split('_')
    .filter(Boolean)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')

export const camel = (snake: string): string => {
  const text = pascal(snake)
  return text.charAt(0).toLowerCase() + text.slice(1)
}

/** `DOMAIN_GET_XML_DESC` -> `domainGetXMLDesc`; what is not public (events, migration internals) is spelled by rule. */
export function procedureNames(publicFunctions: Iterable<string>): (constant: string) => string {
  const known = new Map([...publicFunctions].map((name) => [name.toLowerCase(), name.replace(/^vir/, '')]))
  return (constant) => {
    const [, program = '', rest = ''] = /^(REMOTE|QEMU)_PROC_(\w+)$/.exec(constant) ?? []
    if (program === 'QEMU') return camel(`qemu_${rest.toLowerCase()}`)
    const name = known.get(`vir${rest.replaceAll('_', '').toLowerCase()}`) ?? pascal(rest.toLowerCase())
    return name.replace(/^([A-Z]+(?=[A-Z][a-z])|[A-Z])/, (head) => head.toLowerCase())
  }
}

/** `remote_nonnull_domain` -> `Domain`, `remote_vcpu_info` -> `VcpuInfo`. */
export const structName = (name: string): string => pascal(name.replace(/^(remote|qemu)_(nonnull_)?/, ''))
