/** Every error a user can meet: a name, a kind that the API maps to a status, and a text. Nova's texts where clients match on them. */
export const ERRORS = {
  // What was asked for does not exist
  InstanceNotFound: { kind: 'notFound', text: (d: { id: string }) => `Instance ${d.id} could not be found.` },
  FlavorNotFound: { kind: 'notFound', text: (d: { id: string }) => `Flavor ${d.id} could not be found.` },
  KeypairNotFound: {
    kind: 'notFound',
    text: (d: { name: string; user: string }) => `Keypair ${d.name} not found for user ${d.user}`,
  },
  HypervisorNotFound: {
    kind: 'notFound',
    text: (d: { id: string }) => `Hypervisor with ID '${d.id}' could not be found.`,
  },
  ServiceNotFound: { kind: 'notFound', text: (d: { id: string }) => `Service ${d.id} could not be found.` },
  ActionNotFound: {
    kind: 'notFound',
    text: (d: { requestId: string; server: string }) =>
      `Action for request_id ${d.requestId} on instance ${d.server} not found`,
  },
  TagNotFound: {
    kind: 'notFound',
    text: (d: { server: string; tag: string }) => `Server ${d.server} has no tag '${d.tag}'`,
  },
  ServerGroupNotFound: { kind: 'notFound', text: (d: { id: string }) => `Instance group ${d.id} could not be found.` },
  ConsoleTokenNotFound: { kind: 'notFound', text: (_: object) => `Token not found` },
  BackupPolicyNotFound: {
    kind: 'notFound',
    text: (d: { id: string }) => `Backup policy ${d.id} could not be found.`,
  },
  MetadataItemNotFound: { kind: 'notFound', text: (_: object) => `Metadata item was not found` },
  ExtraSpecNotFound: {
    kind: 'notFound',
    text: (d: { key: string; flavor: string }) => `Flavor ${d.flavor} has no extra specs with key ${d.key}.`,
  },
  // What was asked for is wrong
  BadRequest: { kind: 'badRequest', text: (d: { message: string }) => d.message },
  ImageNotFound: { kind: 'badRequest', text: (d: { id: string }) => `Can not find requested image: ${d.id}` },
  ImageNotActive: {
    kind: 'badRequest',
    text: (d: { id: string; status: string }) => `Image ${d.id} is not active: it is ${d.status}.`,
  },
  UnknownFlavor: { kind: 'badRequest', text: (d: { id: string }) => `Flavor ${d.id} could not be found.` },
  UnknownServerGroup: { kind: 'badRequest', text: (d: { id: string }) => `Instance group ${d.id} could not be found.` },
  UnknownKeypair: { kind: 'badRequest', text: (_: object) => `Invalid key_name provided.` },
  UnknownNetwork: { kind: 'badRequest', text: (d: { id: string }) => `Network ${d.id} could not be found.` },
  UnknownPort: { kind: 'badRequest', text: (d: { id: string }) => `Port id ${d.id} could not be found.` },
  UnknownSecurityGroup: {
    kind: 'badRequest',
    text: (d: { id: string }) => `Unable to find security_group with name or id '${d.id}'`,
  },
  PortInUse: { kind: 'conflict', text: (d: { id: string }) => `Port ${d.id} is still in use.` },
  PortNotFound: { kind: 'notFound', text: (d: { id: string }) => `Port id ${d.id} could not be found.` },
  NetworkNotFound: { kind: 'notFound', text: (d: { id: string }) => `Network ${d.id} could not be found.` },
  PortNotUsable: {
    kind: 'badRequest',
    text: (d: { id: string; server: string }) => `Port ${d.id} not usable for instance ${d.server}.`,
  },
  NoMoreFixedIps: {
    kind: 'badRequest',
    text: (d: { network: string }) => `No fixed IP addresses available for network: ${d.network}`,
  },
  FixedIpInvalid: {
    kind: 'badRequest',
    text: (d: { address: string; network: string }) =>
      `Fixed IP ${d.address} is not a valid ip address for network ${d.network}.`,
  },
  FixedIpAlreadyInUse: {
    kind: 'conflict',
    text: (d: { address: string }) => `Fixed IP ${d.address} is already in use.`,
  },
  PortLimitExceeded: { kind: 'forbidden', text: (_: object) => `Maximum number of ports exceeded` },
  NetworkAmbiguous: {
    kind: 'conflict',
    text: (_: object) => `Multiple possible networks found, use a Network ID to be more specific.`,
  },
  UnableToAutoAllocateNetwork: {
    kind: 'badRequest',
    text: (_: object) => `Unable to automatically allocate a network for project: no network is available.`,
  },
  NetworkWithoutSubnet: {
    kind: 'badRequest',
    text: (d: { id: string }) => `Network ${d.id} requires a subnet in order to boot instances on.`,
  },
  FlavorMemoryTooSmall: {
    kind: 'badRequest',
    text: (d: { flavorMb: number; imageMb: number }) =>
      `Flavor's memory is too small for requested image: it has ${d.flavorMb} MB, the image needs ${d.imageMb} MB.`,
  },
  FlavorDiskTooSmall: {
    kind: 'badRequest',
    text: (d: { flavorGb: number; imageGb: number }) =>
      `Flavor's disk is too small for requested image. Flavor disk is ${d.flavorGb} GB, image needs ${d.imageGb} GB.`,
  },
  UnknownAvailabilityZone: {
    kind: 'badRequest',
    text: (d: { zone: string }) => `The requested availability zone is not available: ${d.zone}`,
  },
  ConsoleTypeUnavailable: {
    kind: 'badRequest',
    text: (d: { type: string }) => `Unavailable console type ${d.type}.`,
  },
  ConsoleTypeInvalid: { kind: 'badRequest', text: (d: { type: string }) => `Invalid console type ${d.type}` },
  MarkerNotFound: { kind: 'badRequest', text: (d: { marker: string }) => `marker [${d.marker}] not found` },
  // Not now
  InstanceInvalidState: {
    kind: 'conflict',
    text: (d: { id: string; action: string; attr: string; state: string }) =>
      `Cannot '${d.action}' instance ${d.id} while it is in ${d.attr} ${d.state}`,
  },
  InstanceIsLocked: { kind: 'conflict', text: (d: { id: string }) => `Instance ${d.id} is locked` },
  InstanceNotReady: {
    kind: 'conflict',
    text: (d: { id: string }) => `Instance ${d.id} is not ready: it has no host yet.`,
  },
  NoTask: { kind: 'conflict', text: (d: { id: string }) => `Nothing is being done to instance ${d.id}.` },
  TaskPastPivot: {
    kind: 'conflict',
    text: (d: { id: string; action: string }) =>
      `The '${d.action}' of instance ${d.id} cannot be undone any more: it only goes forward.`,
  },
  InstanceNotRunning: { kind: 'conflict', text: (d: { id: string }) => `Instance ${d.id} is not running.` },
  PasswordNotSet: {
    kind: 'conflict',
    text: (d: { id: string; reason: string }) => `Failed to set admin password on ${d.id} because ${d.reason}`,
  },
  AgentNotEnabled: { kind: 'conflict', text: (_: object) => `QEMU guest agent is not enabled` },
  HostUnreachable: {
    kind: 'conflict',
    text: (d: { host: string }) => `Host ${d.host} does not answer: try again when it is back.`,
  },
  UnshelveNotOffloaded: {
    kind: 'conflict',
    text: (d: { id: string; state: string }) =>
      `Specifying an availability zone or a host when unshelving server "${d.id}" with status "${d.state}" is not supported. The server status must be SHELVED_OFFLOADED.`,
  },
  HostNotInZone: {
    kind: 'conflict',
    text: (d: { host: string; zone: string }) => `Host "${d.host}" is not in the availability zone "${d.zone}".`,
  },
  FlavorExists: { kind: 'conflict', text: (d: { name: string }) => `Flavor with name ${d.name} already exists.` },
  FlavorIdExists: { kind: 'conflict', text: (d: { id: string }) => `Flavor with ID ${d.id} already exists.` },
  KeyPairExists: { kind: 'conflict', text: (d: { name: string }) => `Key pair '${d.name}' already exists.` },
  // Not for you, or not so much
  ExternalNetworkAttachForbidden: {
    kind: 'forbidden',
    text: (d: { id: string }) => `It is not allowed to create an interface on external network ${d.id}`,
  },
  ImageForbidden: { kind: 'forbidden', text: (d: { reason: string }) => d.reason },
  Forbidden: { kind: 'forbidden', text: (d: { rule: string }) => `Policy doesn't allow ${d.rule} to be performed.` },
  TooManyInstances: {
    kind: 'forbidden',
    text: (d: { overs: string; requested: string; used: string; allowed: string }) =>
      `Quota exceeded for ${d.overs}: Requested ${d.requested}, but already used ${d.used} of ${d.allowed} ${d.overs}`,
  },
  TooManyServerGroups: { kind: 'forbidden', text: (_: object) => `Quota exceeded, too many server groups.` },
  TooManyBackupPolicies: { kind: 'forbidden', text: (_: object) => `Quota exceeded, too many backup policies.` },
  TooManyGroupMembers: { kind: 'forbidden', text: (_: object) => `Quota exceeded, too many servers in group` },
  KeypairLimitExceeded: { kind: 'forbidden', text: (_: object) => `Quota exceeded, too many key pairs.` },
  MetadataLimitExceeded: {
    kind: 'forbidden',
    text: (d: { allowed: number }) => `Maximum number of metadata items exceeds ${d.allowed}`,
  },
  OnsetFileLimitExceeded: { kind: 'forbidden', text: (_: object) => `Personality file limit exceeded` },
  OnsetFilePathLimitExceeded: {
    kind: 'forbidden',
    text: (d: { allowed: number }) => `Personality file path exceeds maximum ${d.allowed}`,
  },
  OnsetFileContentLimitExceeded: {
    kind: 'forbidden',
    text: (d: { allowed: number }) => `Personality file content exceeds maximum ${d.allowed}`,
  },
  Unauthorized: { kind: 'unauthorized', text: (_: object) => `The request you have made requires authentication.` },
  // What can go wrong while a task runs: the text of the server's fault
  NoValidHost: { kind: 'internal', text: (d: { reason: string }) => `No valid host was found. ${d.reason}` },
  BuildAborted: { kind: 'internal', text: (d: { reason: string }) => `Build of instance aborted: ${d.reason}` },
  Cancelled: { kind: 'internal', text: (d: { by: string }) => `Cancelled by ${d.by}.` },
  SnapshotAborted: { kind: 'internal', text: (d: { reason: string }) => `Snapshot of instance aborted: ${d.reason}` },
  BaseLost: {
    kind: 'internal',
    text: (d: { id: string }) =>
      `The image that the disk of instance ${d.id} stands on is gone from its host, and nowhere else.`,
  },
  GuestLost: { kind: 'internal', text: (d: { id: string }) => `The guest of instance ${d.id} is gone from its host.` },
  /** Users learn which service, not where it is or what it said: its cause is for the log, and for administrators. */
  ServiceUnavailable: {
    kind: 'unavailable',
    text: (d: { service: string }) => `The ${d.service} service does not answer.`,
  },
  ServiceRefused: {
    kind: 'internal',
    text: (d: { service: string; reason: string; type?: string | undefined }) =>
      `The ${d.service} service refused: ${d.reason}`,
  },
} as const satisfies Record<string, { kind: string; text: (detail: never) => string }>

export type ErrorName = keyof typeof ERRORS
export type ErrorKind = (typeof ERRORS)[ErrorName]['kind']
export type Detail<N extends ErrorName> = Parameters<(typeof ERRORS)[N]['text']>[0]

export class NovaError<N extends ErrorName = ErrorName> extends Error {
  override readonly name: N
  readonly detail: Detail<N>
  constructor(name: N, detail: Detail<N>, options?: ErrorOptions) {
    super(ERRORS[name].text(detail as never), options)
    this.name = name
    this.detail = detail
  }
  get kind(): ErrorKind {
    return ERRORS[this.name].kind
  }
}

export const isNovaError = <N extends ErrorName>(error: unknown, name?: N): error is NovaError<N> =>
  error instanceof NovaError && (name === undefined || error.name === name)
