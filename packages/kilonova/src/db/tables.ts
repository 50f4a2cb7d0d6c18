/** The tables, as Kysely sees them. JSON is text, booleans are 0 or 1, times are milliseconds since 1970: the same on every database. */
import type { Generated } from 'kysely'

export interface ServersTable {
  id: string
  /** Grows with every server: the order of lists, and a stable marker. */
  number: Generated<number>
  name: string
  description: string | null
  hostname: string
  project_id: string
  user_id: string
  vm_state: string
  task_state: string | null
  power_state: string
  task_id: string | null
  epoch: number
  host: string | null
  hypervisor_hostname: string | null
  availability_zone: string | null
  pinned_zone: string | null
  scheduler_hints: Generated<string>
  local_disks: Generated<string | null>
  injected_files: Generated<string>
  boot_roles: Generated<string>
  /** What the guest posted, encrypted by itself; shown only where it is asked for by name. */
  guest_password: Generated<string | null>
  /** JSON, sorted; a filter looks for a tag as JSON writes it. */
  tags: Generated<string>
  group_id: Generated<string | null>
  shelved: Generated<string | null>
  rescue: Generated<string | null>
  flavor_id: string
  flavor: string
  /** Copied from the flavor: what quota sums. */
  vcpus: number
  memory_mb: number
  image_id: string | null
  image: string | null
  key_name: string | null
  key_type: string | null
  public_key: string | null
  user_data: string | null
  config_drive: number
  metadata: string
  requested_nics: string
  security_groups: string
  addresses: string
  access_ip_v4: string | null
  access_ip_v6: string | null
  disk_config: string
  reservation_id: string
  launch_index: number
  root_device_name: string | null
  locked: number
  /** `owner` or `admin`, while it is locked. */
  locked_by: Generated<string | null>
  locked_reason: Generated<string | null>
  /** Null unless its vm_state is `soft-delete`. */
  soft_deleted_at: Generated<number | null>
  progress: number
  fault: string | null
  created_at: number
  updated_at: number
  launched_at: number | null
  terminated_at: number | null
  deleted_at: number | null
}

export interface TasksTable {
  id: string
  action: string
  server_id: string
  project_id: string
  user_id: string
  request_id: string
  /** The parsed request body of the action. */
  body: string
  /** The server as it was admitted: what undo goes back to. */
  admitted: string
  status: string
  owner: string | null
  leased_until: number
  epoch: number
  /** Why it is to be cancelled; null while nobody asked. */
  cancelled_by: string | null
  /** A task that must end first. */
  after_task_id: string | null
  attempts: number
  run_at: number
  error: string | null
  progress: number
  created_at: number
  updated_at: number
  finished_at: number | null
}

export interface JournalTable {
  task_id: string
  number: number
  event: string
  step: string
  data: string | null
  host: string | null
  at: number
}

export interface EventsTable {
  id: string
  server_id: string
  name: string
  /** Narrows the name: the port of `network-vif-plugged`. */
  tag: string
  data: string
  at: number
}

export interface OwedTable {
  id: string
  host: string
  server_id: string
  verb: string
  input: string
  epoch: number
  created_at: number
}

export interface AllocationsTable {
  consumer_id: string
  host: string
  project_id: string
  vcpus: number
  memory_mb: number
  disk_gb: number
  created_at: number
}

export interface FlavorsTable {
  id: string
  number: Generated<number>
  name: string
  vcpus: number
  memory_mb: number
  root_gb: number
  ephemeral_gb: number
  swap_mb: number
  rxtx_factor: number
  is_public: number
  disabled: number
  description: string | null
  extra_specs: string
  created_at: number
}

export interface FlavorProjectsTable {
  flavor_id: string
  project_id: string
}

export interface KeyPairsTable {
  user_id: string
  name: string
  number: Generated<number>
  type: string
  public_key: string
  fingerprint: string
  created_at: number
}

export interface HostsTable {
  id: string
  service_id: string
  number: Generated<number>
  host: string
  report: string
  disabled: number
  disabled_reason: string | null
  forced_down: number
  last_seen_at: number
  availability_zone: string
  created_at: number
}

export interface AggregatesTable {
  id: string
  number: Generated<number>
  name: string
  metadata: string
  created_at: number
  updated_at: number | null
}

export interface AggregateHostsTable {
  aggregate_number: number
  host: string
  added_at: number
}

/** A daemon other than a compute: `nova-conductor`, `nova-scheduler`. */
export interface ServicesTable {
  id: string
  number: Generated<number>
  binary: string
  host: string
  disabled: number
  disabled_reason: string | null
  last_seen_at: number
  created_at: number
}

/** What an operator set for a project; a missing row means the default. -1 is unlimited. */
export interface QuotasTable {
  project_id: string
  resource: string
  hard_limit: number
}

/** As `quotas`, for one user of a project. */
export interface UserQuotasTable extends QuotasTable {
  user_id: string
}

export interface QuotaClassesTable {
  name: string
  resource: string
  hard_limit: number
}

/** One row per project, host or server group: what a claim locks first, in id order. */
export interface GuardsTable {
  id: string
}

export interface BackupPoliciesTable {
  id: string
  number: Generated<number>
  name: string
  project_id: string
  user_id: string
  schedule: string
  rotation: number
  servers: string
  enabled: number
  next_run_at: number
  claimed_until: number
  last_run: string | null
  created_at: number
  updated_at: number
}

export interface ServerGroupsTable {
  id: string
  number: Generated<number>
  name: string
  project_id: string
  user_id: string
  policy: string
  /** How many of an anti-affinity group one host may have; null is one. */
  max_per_host: number | null
  created_at: number
}

/** How the servers of one request were placed: together, or (with an explanation) none. */
export interface PlacementsTable {
  reservation_id: string
  explanation: string | null
  decided_at: number
}

/** A server's way from one host to another, or to another flavor. Flavors by number, as upstream tells them. */
export interface ServerMigrationsTable {
  id: string
  number: Generated<number>
  server_id: string
  project_id: string
  user_id: string
  type: string
  status: string
  source_host: string | null
  source_hypervisor: string | null
  dest_host: string | null
  dest_hypervisor: string | null
  /** The address of the host it goes to. */
  dest_ip: string | null
  old_flavor_number: number | null
  new_flavor_number: number | null
  /** JSON: how much of memory and disk is over. */
  progress: string | null
  hidden: number
  created_at: number
  updated_at: number | null
}

/** What a host's usage audit of a period found. */
export interface UsageAuditsTable {
  host: string
  period_start: number
  period_end: number
  state: string
  servers: number
  errors: number
  message: string
}

export interface WatchesTable {
  name: string
  owner: string
  held_until: number
}

export interface ConsoleTokensTable {
  /** SHA-256, hexadecimal: the token itself is kept nowhere. */
  token_hash: string
  server_id: string
  host: string
  kind: string
  access_url_base: string
  expires_at: number
  created_at: number
}

/** One row for each tag and each address of a server's own ports. */
export interface ServerTermsTable {
  kind: 'tag' | 'ip4' | 'ip6'
  term: string
  server_id: string
}

export interface Tables {
  servers: ServersTable
  tasks: TasksTable
  journal: JournalTable
  events: EventsTable
  owed: OwedTable
  allocations: AllocationsTable
  flavors: FlavorsTable
  flavor_projects: FlavorProjectsTable
  key_pairs: KeyPairsTable
  hosts: HostsTable
  aggregates: AggregatesTable
  aggregate_hosts: AggregateHostsTable
  services: ServicesTable
  quotas: QuotasTable
  user_quotas: UserQuotasTable
  quota_classes: QuotaClassesTable
  guards: GuardsTable
  backup_policies: BackupPoliciesTable
  server_groups: ServerGroupsTable
  placements: PlacementsTable
  watches: WatchesTable
  server_migrations: ServerMigrationsTable
  usage_audits: UsageAuditsTable
  console_tokens: ConsoleTokensTable
  server_terms: ServerTermsTable
}
