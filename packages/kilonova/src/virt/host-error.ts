/** What can go wrong on a host, by name. The text is for the server's fault: it names the host's part in words an operator knows. */

export type HostErrorName =
  | 'DiskFull'
  | 'ImageNotCached'
  | 'ImageLargerThanDisk'
  | 'ImageUnavailable'
  | 'ImageDamaged'
  | 'ImageUnsupported'
  | 'DiskMissing'
  | 'NoHugePages'
  | 'SnapshotMissing'
  | 'SnapshotFailed'
  | 'ImageRefused'
  | 'DiskDamaged'
  | 'GuestNotFound'
  | 'GuestNotRunning'
  | 'ConsoleUnavailable'
  | 'NicNotReleased'
  | 'HypervisorUnavailable'
  | 'HypervisorRefused'
  | 'CommandFailed'

export class HostError extends Error {
  override readonly name: HostErrorName
  /** True where the same call may succeed later without anyone doing anything. */
  readonly retryable: boolean
  constructor(name: HostErrorName, message: string, options: ErrorOptions & { readonly retryable?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = name
    this.retryable = options.retryable ?? false
  }
}
