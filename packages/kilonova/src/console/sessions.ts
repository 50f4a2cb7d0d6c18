/** Who is connected to which console through this proxy, so that they can be cut off when their leave ends. */
import type { ConsoleLeave } from '../domain/console.ts'

export interface Session {
  readonly leave: ConsoleLeave
  /** Tells the client why, as far as it listens. */
  end(reason: string): void
}

export interface Sessions {
  readonly size: number
  all(): readonly Session[]
  /** Returns a function that takes it out again. A serial line has one listener: the newest takes it from the one before. */
  begin(session: Session): () => void
  endAll(reason: string): void
}

export function sessions(): Sessions {
  const open = new Set<Session>()
  return {
    get size() {
      return open.size
    },
    all: () => [...open],
    begin: (session) => {
      const { serverId, kind } = session.leave
      if (kind === 'serial')
        for (const other of open) if (other.leave.serverId === serverId) other.end('somebody else opened this console')
      open.add(session)
      return () => void open.delete(session)
    },
    endAll: (reason) => {
      for (const session of open) session.end(reason)
    },
  }
}
