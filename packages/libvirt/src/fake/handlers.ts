/** What the fake answers, one entry per procedure; anything else is refused as libvirt refuses what a driver lacks. */
import { ConnectListAllDomainsFlags as List, DomainState, ErrorNumber as ERR } from '../constants.gen.ts'
import type { Domain, Procedures } from '../protocol-types.gen.ts'
import { withAgentState, withDevice, withId, withoutDevice } from './domain-xml.ts'
import { param, type TypedParam } from '../typed-params.ts'
import { fail } from './fail.ts'
import { needAgent } from './qemu-handlers.ts'
import { handleOf, isActive, type FakeDomain, type Hypervisor } from './hypervisor.ts'
import type { ServerStream } from './server-stream.ts'

/** What a handler may use of the connection it serves. */
export interface Serving {
  readonly hypervisor: Hypervisor
  readonly hostname: string
  register(eventId: number, dom: Domain | null | undefined): number
  deregister(callbackId: number): void
  startKeepalive(): void
  /** The stream of a call that opens one. */
  stream(): ServerStream
  /** The stream ends when the domain stops. */
  endWith(dom: Domain, stream: ServerStream): void
}
export type Handlers = {
  readonly [P in keyof Procedures]?: (
    args: Required<NonNullable<Procedures[P]['args']>>,
    serving: Serving,
  ) => Procedures[P]['ret'] | Promise<Procedures[P]['ret']>
}

const FEATURE_KEEPALIVE = 10
const FEATURE_EVENT_CALLBACK = 14
const START_PAUSED = 1
const UNDEFINE_MANAGED_SAVE = 1
const XML_INACTIVE = 2
const AFFECT_CONFIG = 2

const domainOf = ({ hypervisor }: Serving, { uuid }: Domain): FakeDomain => hypervisor.find({ uuid })
const answer = (domain: FakeDomain): { dom: Domain } => ({ dom: handleOf(domain) })

/** Flags of one group are alternatives; a group without any does not restrict. */
function matches(domain: FakeDomain, flags: number): boolean {
  const groups: readonly (readonly (readonly [number, boolean])[])[] = [
    [
      [List.ACTIVE, isActive(domain)],
      [List.INACTIVE, !isActive(domain)],
    ],
    [
      [List.PERSISTENT, domain.persistentXml !== undefined],
      [List.TRANSIENT, domain.persistentXml === undefined],
    ],
    [
      [List.RUNNING, domain.state === DomainState.RUNNING],
      [List.PAUSED, domain.state === DomainState.PAUSED],
      [List.SHUTOFF, domain.state === DomainState.SHUTOFF],
    ],
    [
      [List.MANAGEDSAVE, domain.managedSave],
      [List.NO_MANAGEDSAVE, !domain.managedSave],
    ],
    [
      [List.AUTOSTART, domain.autostart],
      [List.NO_AUTOSTART, !domain.autostart],
    ],
  ]
  return groups.every((group) => {
    const asked = group.filter(([flag]) => (flags & flag) !== 0)
    return asked.length === 0 || asked.some(([, holds]) => holds)
  })
}

function changeDevices(serving: Serving, dom: Domain, flags: number, change: (xml: string) => string): FakeDomain {
  const domain = domainOf(serving, dom)
  if ((flags & AFFECT_CONFIG) !== 0 && domain.persistentXml !== undefined)
    domain.persistentXml = change(domain.persistentXml)
  if ((flags & AFFECT_CONFIG) === 0 || (flags & 1) !== 0) domain.xml = change(domain.xml)
  if (!isActive(domain) && domain.persistentXml !== undefined) domain.xml = domain.persistentXml
  return domain
}

const NOTHING = {
  dataTotal: 0n,
  dataProcessed: 0n,
  dataRemaining: 0n,
  memTotal: 0n,
  memProcessed: 0n,
  memRemaining: 0n,
  fileTotal: 0n,
  fileProcessed: 0n,
  fileRemaining: 0n,
}

/** What QEMU itself would have to say (processors, disks, cards) is not there: nothing runs. */
const statsOf = ({ state, reason, memoryKib }: FakeDomain): TypedParam[] => [
  param.int('state.state', state),
  param.int('state.reason', reason),
  param.ullong('balloon.current', memoryKib),
  param.ullong('balloon.maximum', memoryKib),
]

export const connectionHandlers: Handlers = {
  authList: () => ({ types: [0] }),
  connectOpen: () => {},
  connectClose: () => {},
  connectSupportsFeature({ feature }, serving) {
    if (feature === FEATURE_KEEPALIVE) serving.startKeepalive()
    return { supported: feature === FEATURE_KEEPALIVE || feature === FEATURE_EVENT_CALLBACK ? 1 : 0 }
  },
  connectGetType: () => ({ type: 'QEMU' }),
  connectGetVersion: () => ({ hvVer: 7_002_000n }),
  connectGetLibVersion: () => ({ libVer: 9_000_000n }),
  connectGetHostname: (_args, { hostname }) => ({ hostname }),
  connectGetURI: () => ({ uri: 'qemu:///system' }),
  connectGetCapabilities: () => ({
    capabilities:
      '<capabilities><host><uuid>00000000-0000-4000-8000-000000000001</uuid><cpu><arch>x86_64</arch></cpu></host>' +
      '<guest><os_type>hvm</os_type><arch name="x86_64"><wordsize>64</wordsize><domain type="qemu"/></arch></guest></capabilities>',
  }),
  nodeGetInfo: () => ({
    model: 'x86_64',
    memory: 16_777_216n,
    cpus: 8,
    mhz: 2400,
    nodes: 1,
    sockets: 1,
    cores: 4,
    threads: 2,
  }),
  nodeGetFreeMemory: () => ({ freeMem: 8n << 30n }),
  connectListAllDomains({ flags }, { hypervisor }) {
    const domains = [...hypervisor.domains.values()].filter((domain) => matches(domain, flags ?? 0)).map(handleOf)
    return { domains, ret: domains.length }
  },
  connectNumOfDomains: (_args, { hypervisor }) => ({ num: [...hypervisor.domains.values()].filter(isActive).length }),
  connectDomainEventCallbackRegisterAny: ({ eventID, dom }, serving) => ({
    callbackID: serving.register(eventID, dom),
  }),
  connectDomainEventCallbackDeregisterAny: ({ callbackID }, serving) => serving.deregister(callbackID),
}

export const domainHandlers: Handlers = {
  domainLookupByID: ({ id }, { hypervisor }) => answer(hypervisor.find({ id })),
  domainLookupByName: ({ name }, { hypervisor }) => answer(hypervisor.find({ name })),
  domainLookupByUUID: ({ uuid }, { hypervisor }) => answer(hypervisor.find({ uuid })),
  domainDefineXML: ({ xml }, { hypervisor }) => answer(hypervisor.define(xml)),
  domainDefineXMLFlags: ({ xml }, { hypervisor }) => answer(hypervisor.define(xml)),
  domainCreateXML: ({ xmlDesc, flags }, { hypervisor }) =>
    answer(hypervisor.createTransient(xmlDesc, ((flags ?? 0) & START_PAUSED) !== 0)),
  domainCreate: ({ dom }, serving) => serving.hypervisor.start(domainOf(serving, dom)),
  domainCreateWithFlags({ dom, flags }, serving) {
    const domain = domainOf(serving, dom)
    serving.hypervisor.start(domain, ((flags ?? 0) & START_PAUSED) !== 0)
    return answer(domain)
  },
  domainDestroy: ({ dom }, serving) => serving.hypervisor.destroy(domainOf(serving, dom)),
  domainDestroyFlags: ({ dom }, serving) => serving.hypervisor.destroy(domainOf(serving, dom)),
  domainShutdown: ({ dom }, serving) => serving.hypervisor.shutdown(domainOf(serving, dom)),
  domainShutdownFlags: ({ dom }, serving) => serving.hypervisor.shutdown(domainOf(serving, dom)),
  domainReboot: ({ dom }, serving) => serving.hypervisor.reboot(domainOf(serving, dom)),
  domainReset: ({ dom }, serving) => serving.hypervisor.reset(domainOf(serving, dom)),
  domainSuspend: ({ dom }, serving) => serving.hypervisor.suspend(domainOf(serving, dom)),
  domainResume: ({ dom }, serving) => serving.hypervisor.resume(domainOf(serving, dom)),
  domainUndefine: ({ dom }, serving) => serving.hypervisor.undefine(domainOf(serving, dom), false),
  domainUndefineFlags: ({ dom, flags }, serving) =>
    serving.hypervisor.undefine(domainOf(serving, dom), ((flags ?? 0) & UNDEFINE_MANAGED_SAVE) !== 0),
  domainManagedSave: ({ dom }, serving) => serving.hypervisor.managedSave(domainOf(serving, dom)),
  domainHasManagedSaveImage: ({ dom }, serving) => ({ result: domainOf(serving, dom).managedSave ? 1 : 0 }),
  domainManagedSaveGetXMLDesc: ({ dom }, serving) => {
    const domain = domainOf(serving, dom)
    if (!domain.managedSave)
      fail(ERR.OPERATION_INVALID, 'Requested operation is not valid: domain does not have managed save image')
    return { xml: domain.xml }
  },
  domainManagedSaveRemove({ dom }, serving) {
    domainOf(serving, dom).managedSave = false
  },
  // Done within its own call: nobody ever sees it under way.
  domainGetJobInfo: () => ({ type: 0, timeElapsed: 0n, timeRemaining: 0n, ...NOTHING }),
  domainAbortJob: ({ dom }, serving) => {
    domainOf(serving, dom)
    fail(ERR.OPERATION_INVALID, 'Requested operation is not valid: no job is active on the domain')
  },
  domainInjectNMI({ dom }, serving) {
    const domain = domainOf(serving, dom)
    serving.hypervisor.needActive(domain)
    domain.nmis++
  },
  domainSetUserPassword({ dom, user, password }, serving) {
    const domain = domainOf(serving, dom)
    needAgent(domain)
    domain.passwords.set(user ?? '', password ?? '')
  },
  // An agent of the fake answers at once, or is not there.
  domainAgentSetResponseTimeout({ dom }, serving) {
    serving.hypervisor.needActive(domainOf(serving, dom))
    return { result: 0 }
  },
  domainGetTime({ dom }, serving) {
    const domain = domainOf(serving, dom)
    needAgent(domain)
    const at = domain.times.at(-1) ?? 0n
    return { seconds: at / 1_000_000_000n, nseconds: Number(at % 1_000_000_000n) }
  },
  domainSetTime({ dom, seconds, nseconds }, serving) {
    const domain = domainOf(serving, dom)
    needAgent(domain)
    domain.times.push(BigInt(seconds) * 1_000_000_000n + BigInt(nseconds))
  },
  connectGetAllDomainStats: ({ doms }, serving) => ({
    retStats: doms.map((dom) => ({ dom, params: statsOf(domainOf(serving, dom)) })),
  }),
  domainGetState({ dom }, serving) {
    const { state, reason } = domainOf(serving, dom)
    return { state, reason }
  },
  domainGetInfo({ dom }, serving) {
    const { state, memoryKib, vcpus } = domainOf(serving, dom)
    return { state, maxMem: memoryKib, memory: memoryKib, nrVirtCpu: vcpus, cpuTime: 0n }
  },
  domainIsActive: ({ dom }, serving) => ({ active: isActive(domainOf(serving, dom)) ? 1 : 0 }),
  domainIsPersistent: ({ dom }, serving) => ({
    persistent: domainOf(serving, dom).persistentXml === undefined ? 0 : 1,
  }),
  domainGetXMLDesc({ dom, flags }, serving) {
    const domain = domainOf(serving, dom)
    const inactive = ((flags ?? 0) & XML_INACTIVE) !== 0
    if (inactive) return { xml: domain.persistentXml ?? domain.xml }
    return { xml: isActive(domain) ? withAgentState(withId(domain.xml, domain.id), domain.agentConnected) : domain.xml }
  },
  domainGetAutostart: ({ dom }, serving) => ({ autostart: domainOf(serving, dom).autostart ? 1 : 0 }),
  domainSetAutostart({ dom, autostart }, serving) {
    domainOf(serving, dom).autostart = autostart !== 0
  },
  domainSetMemoryParameters({ dom, params }, serving) {
    const domain = domainOf(serving, dom)
    const kept = domain.memoryParameters.filter(({ field }) => !params.some((given) => given.field === field))
    domain.memoryParameters = [...kept, ...params]
  },
  domainGetMemoryParameters({ dom, nparams }, serving) {
    const { memoryParameters } = domainOf(serving, dom)
    return nparams === 0 ? { params: [], nparams: memoryParameters.length } : { params: memoryParameters, nparams: 0 }
  },
  domainAttachDeviceFlags({ dom, xml, flags }, serving) {
    changeDevices(serving, dom, flags ?? 0, (whole) => withDevice(whole, xml))
  },
  domainDetachDeviceFlags({ dom, xml, flags }, serving) {
    let alias = ''
    const domain = changeDevices(serving, dom, flags ?? 0, (whole) => {
      const without = withoutDevice(whole, xml) ?? fail(ERR.DEVICE_MISSING, 'device not found: no matching device')
      alias = without.alias
      return without.xml
    })
    if (isActive(domain)) serving.hypervisor.notify('deviceRemoved', handleOf(domain), { devAlias: alias })
  },
}
