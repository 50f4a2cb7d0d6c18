/** What a guest has used and done, from libvirt's statistics: one call, and its XML for the MACs. */
import { DomainStatsTypes } from '@kilonova/libvirt/constants.gen.ts'
import type { Client } from '@kilonova/libvirt/client.ts'
import { paramsToRecord, type TypedParam } from '@kilonova/libvirt/typed-params.ts'
import type { Diagnostics } from '../../domain/diagnostics.ts'
import { ifThere, lookUp } from './guests.ts'
import { powerStateOf } from './power.ts'
import { valuesAt } from './xml-read.ts'

const WANTED =
  DomainStatsTypes.STATE |
  DomainStatsTypes.BALLOON |
  DomainStatsTypes.VCPU |
  DomainStatsTypes.INTERFACE |
  DomainStatsTypes.BLOCK

export async function diagnosticsOf(
  client: Client,
  installationId: string,
  serverId: string,
  accelerator: 'kvm' | 'tcg',
): Promise<Diagnostics | undefined> {
  const domain = await lookUp(client, installationId, serverId)
  if (!domain) return undefined
  const xml = await ifThere(client.domainGetXMLDesc(domain))
  const [record] = (await ifThere(client.connectGetAllDomainStats([domain], WANTED))) ?? []
  if (xml === undefined || !record) return undefined
  return { hypervisor: accelerator === 'kvm' ? 'kvm' : 'qemu', ...readStats(record.params, macsIn(xml)) }
}

/** By the name of the card's end on the host. */
function macsIn(xml: string): ReadonlyMap<string, string> {
  return new Map(
    [...xml.matchAll(/<interface [^]*?<\/interface>/g)].flatMap(([nic]) => {
      const [name] = valuesAt(nic, 'target', 'dev')
      const [mac] = valuesAt(nic, 'mac', 'address')
      return name === undefined || mac === undefined ? [] : [[name, mac.toLowerCase()] as const]
    }),
  )
}

/** libvirt's names have dashes here and none in the call that upstream makes. */
const BALLOON = /^balloon\.(?!maximum$)(.+)$/

export function readStats(
  params: readonly TypedParam[],
  macs: ReadonlyMap<string, string>,
): Omit<Diagnostics, 'hypervisor'> {
  const values = paramsToRecord(params)
  const number = (field: string): number => Number(values[field] ?? 0)
  const text = (field: string): string => String(values[field] ?? '')
  /** `<kind>.count`, then `<kind>.0.…`; of a guest that does not run some kinds have names and no figures. */
  const each = <T>(kind: string, figure: string, of: (prefix: string, index: number) => T): T[] =>
    Array.from({ length: number(`${kind}.${kind === 'vcpu' ? 'current' : 'count'}`) }, (_each, index) => index).flatMap(
      (index) => (`${kind}.${index}.${figure}` in values ? [of(`${kind}.${index}`, index)] : []),
    )
  const memory = Object.entries(values).flatMap(([field, value]) => {
    const name = BALLOON.exec(field)?.[1]
    return name === undefined
      ? []
      : [[name === 'current' ? 'actual' : name.replaceAll('-', '_'), Number(value)] as const]
  })
  return {
    powerState: powerStateOf(number('state.state')),
    memoryMaximumKib: number('balloon.maximum'),
    memoryUsedKib: number('balloon.current'),
    memoryDetails: Object.fromEntries(memory),
    cpus: each('vcpu', 'time', (prefix, id) => ({ id, timeNs: number(`${prefix}.time`) })),
    disks: each('block', 'rd.reqs', (prefix) => ({
      name: text(`${prefix}.name`),
      readBytes: number(`${prefix}.rd.bytes`),
      readRequests: number(`${prefix}.rd.reqs`),
      writeBytes: number(`${prefix}.wr.bytes`),
      writeRequests: number(`${prefix}.wr.reqs`),
    })),
    nics: each('net', 'rx.bytes', (prefix) => ({
      name: text(`${prefix}.name`),
      mac: macs.get(text(`${prefix}.name`)) ?? '',
      rxBytes: number(`${prefix}.rx.bytes`),
      rxPackets: number(`${prefix}.rx.pkts`),
      rxErrors: number(`${prefix}.rx.errs`),
      rxDropped: number(`${prefix}.rx.drop`),
      txBytes: number(`${prefix}.tx.bytes`),
      txPackets: number(`${prefix}.tx.pkts`),
      txErrors: number(`${prefix}.tx.errs`),
      txDropped: number(`${prefix}.tx.drop`),
    })),
  }
}
