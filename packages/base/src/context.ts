/** Who asked, under which id. It goes with a request from the first line to the last log entry. */
import { randomUUID } from 'node:crypto'

export interface RequestContext {
  /** `req-<uuid>`. */
  readonly requestId: string
  readonly userId: string
  readonly projectId: string
}

export const newRequestId = (): string => `req-${randomUUID()}`
