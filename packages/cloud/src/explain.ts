/** What to tell somebody whose cloud does not start: the reason, what to do about it, and an exit code. Pure. */
import { PortTakenError } from '@kilonova/base/http/server.ts'
import { ConfigError } from '@kilonova/base/config.ts'
import { USAGE, UsageError } from './options.ts'
import { CidrTakenError } from './taken-cidr.ts'
import { StateDirInUseError } from './state-dir.ts'

export interface Explanation {
  readonly code: number
  readonly text: string
}

/** Codes of scripts/setup are below 20. */
const EXIT = { failed: 1, usage: 2, diskFull: 14, taken: 20, inUse: 21, denied: 22 } as const

export function explain(error: unknown): Explanation {
  const { message, code, syscall, path, address } = error as NodeJS.ErrnoException & { readonly address?: string }
  if (error instanceof UsageError) return { code: EXIT.usage, text: `${message}\n\n${USAGE}` }
  if (error instanceof ConfigError)
    return { code: EXIT.usage, text: `${message}\ndocs/configuration.md lists every option.` }
  if (error instanceof PortTakenError)
    return { code: EXIT.taken, text: `${message}\nStop that program, or give --port-offset.` }
  if (error instanceof CidrTakenError) return { code: EXIT.taken, text: `${message}\nGive another ${error.option}.` }
  if (error instanceof StateDirInUseError) return { code: EXIT.inUse, text: message }
  if (error instanceof NotRootError) return { code: EXIT.denied, text: message }
  if (code === 'ENOSPC' || /disk .*is full|disk full|not enough disk space/i.test(message))
    return { code: EXIT.diskFull, text: message }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || syscall === 'mkdir')
    return {
      code: EXIT.denied,
      text: `${path ?? 'a file'} cannot be written (${code})\nGive another --state-dir, or start it as a user who may.`,
    }
  if (code === 'EADDRNOTAVAIL')
    return { code: EXIT.usage, text: `this machine has no address ${address}\nGive another --listen.` }
  return { code: EXIT.failed, text: message }
}

/** Guests, their networks and libvirtd are the machine's own: only root can make them. */
export class NotRootError extends Error {
  override readonly name = 'NotRootError'
  constructor() {
    super('real guests need root\nStart it by sudo, or give --driver fake.')
  }
}
