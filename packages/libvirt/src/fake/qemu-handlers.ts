/** The fake's part of libvirt's QEMU program: the few monitor and agent commands it knows, and refusals as the real ones word them. */
import { DomainState, ErrorNumber as ERR } from '../constants.gen.ts'
import { hasAgentChannel } from './domain-xml.ts'
import { fail } from './fail.ts'
import type { Handlers } from './handlers.ts'
import type { FakeDomain } from './hypervisor.ts'

/** The text is for QEMU's human monitor. */
const MONITOR_HMP = 1

/** Answers of the monitor, by command. */
const MONITOR: Readonly<Record<string, (domain: FakeDomain) => object>> = {
  'query-status': ({ state }) => {
    const running = state === DomainState.RUNNING
    return { status: running ? 'running' : 'paused', singlestep: false, running }
  },
}
/** Answers of the guest agent, by command. */
const AGENT: Readonly<Record<string, object>> = { 'guest-ping': {} }

/** The command's name; `undefined` for JSON that is no command. libvirt reads the JSON itself before it passes it on. */
function commandOf(text: string): string | undefined {
  try {
    const command: unknown = JSON.parse(text)
    if (typeof command !== 'object' || command === null || !('execute' in command)) return undefined
    return typeof command.execute === 'string' ? command.execute : undefined
  } catch {
    return fail(ERR.INTERNAL_ERROR, `internal error: cannot parse json ${text}`)
  }
}

/** QEMU's refusals are answers for libvirt, which passes them on unread. */
function askMonitor(domain: FakeDomain, text: string): object {
  const command = commandOf(text)
  if (command === undefined) return { error: { class: 'GenericError', desc: "QMP input lacks member 'execute'" } }
  const answer = MONITOR[command]
  return answer
    ? { return: answer(domain) }
    : { error: { class: 'CommandNotFound', desc: `The command ${command} has not been found` } }
}

const askHumanMonitor = ({ state }: FakeDomain, text: string): string =>
  text === 'info status'
    ? `VM status: ${state === DomainState.RUNNING ? 'running' : 'paused'}\r\n`
    : `unknown command: '${text}'\r\n`

/** An agent is there, and listens. */
export function needAgent(domain: FakeDomain): void {
  if (domain.state !== DomainState.RUNNING) {
    fail(ERR.OPERATION_INVALID, 'Requested operation is not valid: domain is not running')
  }
  if (!hasAgentChannel(domain.xml)) {
    fail(ERR.ARGUMENT_UNSUPPORTED, 'argument unsupported: QEMU guest agent is not configured')
  }
  if (!domain.agentConnected) {
    fail(ERR.AGENT_UNRESPONSIVE, 'Guest agent is not responding: QEMU guest agent is not connected')
  }
}

export const qemuHandlers: Handlers = {
  qemuDomainMonitorCommand({ dom, cmd, flags = 0 }, { hypervisor }) {
    if ((flags & ~MONITOR_HMP) !== 0) fail(ERR.INVALID_ARG, `unsupported flags (0x${flags.toString(16)})`)
    const domain = hypervisor.find({ uuid: dom.uuid })
    hypervisor.needActive(domain)
    return { result: flags === MONITOR_HMP ? askHumanMonitor(domain, cmd) : JSON.stringify(askMonitor(domain, cmd)) }
  },
  qemuDomainAgentCommand({ dom, cmd }, { hypervisor }) {
    const domain = hypervisor.find({ uuid: dom.uuid })
    needAgent(domain)
    const command = commandOf(cmd) ?? ''
    const answer =
      AGENT[command] ??
      fail(
        ERR.INTERNAL_ERROR,
        `internal error: unable to execute QEMU agent command '${command}': The command ${command} has not been found`,
      )
    return { result: JSON.stringify({ return: answer }) }
  },
}
