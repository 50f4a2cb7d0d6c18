/** The little of domain XML the fake reads and writes: name, uuid, memory, vCPUs, devices. Not an XML parser. */
import { ERR } from '../errors.ts'
import { fail } from './fail.ts'

export interface DomainFacts {
  readonly name: string
  readonly uuid: string | undefined
  readonly memoryKib: bigint
  readonly vcpus: number
}

const UNIT_KIB: Readonly<Record<string, number>> = { k: 1, KiB: 1, M: 1024, MiB: 1024, G: 1 << 20, GiB: 1 << 20 }

const textOf = (xml: string, tag: string): string | undefined =>
  new RegExp(`<${tag}(?:\\s[^>]*)?>([^<]*)</${tag}>`).exec(xml)?.[1]?.trim()

export function readDomainXml(xml: string): DomainFacts {
  if (!/^\s*(<\?xml[^>]*\?>\s*)?<domain[\s>]/.test(xml) || !/<\/domain>\s*$/.test(xml)) {
    fail(ERR.XML_ERROR, 'XML error: unexpected root element, expecting <domain>')
  }
  const name = textOf(xml, 'name') ?? fail(ERR.XML_ERROR, 'XML error: missing domain name')
  const [, unit = 'KiB'] = /<memory\s[^>]*unit=['"](\w+)['"]/.exec(xml) ?? []
  const factor = UNIT_KIB[unit] ?? fail(ERR.XML_ERROR, `XML error: unknown suffix '${unit}'`)
  return {
    name,
    uuid: textOf(xml, 'uuid')?.toLowerCase(),
    memoryKib: BigInt(Number(textOf(xml, 'memory') ?? 0) * factor),
    vcpus: Number(textOf(xml, 'vcpu') ?? 1),
  }
}

export const withUuid = (xml: string, uuid: string): string =>
  textOf(xml, 'uuid') ? xml : xml.replace('</name>', `</name>\n  <uuid>${uuid}</uuid>`)

export const withId = (xml: string, id: number): string => xml.replace(/<domain(\s)?/, `<domain id='${id}'$1`)

const AGENT_TARGET = /(<target\s[^>]*name=['"]org\.qemu\.guest_agent\.0['"])[^/>]*/

/** The domain has the channel that a QEMU guest agent listens on. */
export const hasAgentChannel = (xml: string): boolean => AGENT_TARGET.test(xml)

/** A running domain's XML tells whether the agent listens. */
export const withAgentState = (xml: string, connected: boolean): string =>
  xml.replace(AGENT_TARGET, `$1 state='${connected ? 'connected' : 'disconnected'}'`)

export function withDevice(xml: string, device: string): string {
  const complete = xml.includes('</devices>') ? xml : xml.replace('</domain>', '<devices></devices></domain>')
  return complete.replace('</devices>', `${device.trim()}</devices>`)
}

/** A device is found by its MAC, target or alias, as libvirt does; `undefined` when there is none such. */
export function withoutDevice(xml: string, device: string): { xml: string; alias: string } | undefined {
  const tag = /^\s*<(\w+)/.exec(device)?.[1]
  const marks = [/<mac\s+address=['"][^'"]+['"]/, /<target\s+dev=['"][^'"]+['"]/, /<alias\s+name=['"][^'"]+['"]/]
  const wanted = marks.map((mark) => mark.exec(device)?.[0].replaceAll('"', "'")).find((mark) => mark !== undefined)
  const elements = xml.match(new RegExp(`<${tag}[\\s>][\\s\\S]*?</${tag}>`, 'g')) ?? []
  const found = elements.find(
    (element) => element.trim() === device.trim() || (wanted && element.replaceAll('"', "'").includes(wanted)),
  )
  if (!found) return undefined
  const alias = /<alias\s+name=['"]([^'"]+)['"]/.exec(found)?.[1] ?? `${tag}0`
  return { xml: xml.replace(found, ''), alias }
}
