/** The first schema. */
export const first: readonly string[] = [
  `CREATE TABLE servers (
    number $SERIAL, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, description TEXT, hostname TEXT NOT NULL,
    project_id TEXT NOT NULL, user_id TEXT NOT NULL,
    vm_state TEXT NOT NULL, task_state TEXT, power_state TEXT NOT NULL, task_id TEXT, epoch BIGINT NOT NULL,
    host TEXT, hypervisor_hostname TEXT, availability_zone TEXT,
    flavor_id TEXT NOT NULL, flavor TEXT NOT NULL, vcpus INTEGER NOT NULL, memory_mb BIGINT NOT NULL, image_id TEXT, image TEXT,
    key_name TEXT, key_type TEXT, public_key TEXT, user_data TEXT, config_drive INTEGER NOT NULL,
    metadata TEXT NOT NULL, requested_nics TEXT NOT NULL, security_groups TEXT NOT NULL, addresses TEXT NOT NULL,
    access_ip_v4 TEXT, access_ip_v6 TEXT, disk_config TEXT NOT NULL, reservation_id TEXT NOT NULL, launch_index INTEGER NOT NULL,
    root_device_name TEXT, locked INTEGER NOT NULL, progress INTEGER NOT NULL, fault TEXT,
    created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, launched_at BIGINT, terminated_at BIGINT, deleted_at BIGINT)`,
  `CREATE INDEX servers_by_project ON servers (project_id, deleted_at, created_at)`,
  `CREATE INDEX servers_for_quota ON servers (project_id, vcpus, memory_mb) WHERE deleted_at IS NULL`,
  `CREATE INDEX servers_by_host ON servers (host, deleted_at)`,
  `CREATE INDEX servers_by_age ON servers (deleted_at, created_at)`,
  `CREATE INDEX servers_by_name ON servers (name)`,
  `CREATE TABLE tasks (
    id TEXT PRIMARY KEY, action TEXT NOT NULL, server_id TEXT NOT NULL, project_id TEXT NOT NULL, user_id TEXT NOT NULL,
    request_id TEXT NOT NULL, body TEXT NOT NULL, admitted TEXT NOT NULL, status TEXT NOT NULL, owner TEXT, leased_until BIGINT NOT NULL,
    epoch BIGINT NOT NULL, cancelled_by TEXT, after_task_id TEXT, attempts INTEGER NOT NULL, run_at BIGINT NOT NULL, error TEXT,
    progress INTEGER NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, finished_at BIGINT)`,
  `CREATE INDEX tasks_open ON tasks (run_at) WHERE finished_at IS NULL`,
  `CREATE INDEX tasks_by_server ON tasks (server_id, created_at)`,
  `CREATE TABLE journal (
    task_id TEXT NOT NULL, number INTEGER NOT NULL, event TEXT NOT NULL, step TEXT NOT NULL, data TEXT, host TEXT, at BIGINT NOT NULL,
    PRIMARY KEY (task_id, number))`,
  `CREATE TABLE events (id TEXT PRIMARY KEY, server_id TEXT NOT NULL, name TEXT NOT NULL, tag TEXT NOT NULL, data TEXT NOT NULL, at BIGINT NOT NULL)`,
  `CREATE INDEX events_by_server ON events (server_id, name, tag, at)`,
  `CREATE TABLE owed (id TEXT PRIMARY KEY, host TEXT NOT NULL, server_id TEXT NOT NULL, verb TEXT NOT NULL, input TEXT NOT NULL, epoch BIGINT NOT NULL, created_at BIGINT NOT NULL)`,
  `CREATE INDEX owed_by_host ON owed (host, created_at)`,
  `CREATE TABLE allocations (
    consumer_id TEXT NOT NULL, host TEXT NOT NULL, project_id TEXT NOT NULL, vcpus INTEGER NOT NULL, memory_mb BIGINT NOT NULL, disk_gb BIGINT NOT NULL,
    created_at BIGINT NOT NULL, PRIMARY KEY (consumer_id, host))`,
  `CREATE INDEX allocations_by_host ON allocations (host, vcpus, memory_mb, disk_gb)`,
  `CREATE TABLE flavors (
    number $SERIAL, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE, vcpus INTEGER NOT NULL, memory_mb INTEGER NOT NULL,
    root_gb INTEGER NOT NULL, ephemeral_gb INTEGER NOT NULL, swap_mb INTEGER NOT NULL, rxtx_factor DOUBLE PRECISION NOT NULL,
    is_public INTEGER NOT NULL, disabled INTEGER NOT NULL, description TEXT, extra_specs TEXT NOT NULL, created_at BIGINT NOT NULL)`,
  `CREATE TABLE flavor_projects (flavor_id TEXT NOT NULL, project_id TEXT NOT NULL, PRIMARY KEY (flavor_id, project_id))`,
  `CREATE TABLE key_pairs (
    number $SERIAL, user_id TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, public_key TEXT NOT NULL, fingerprint TEXT NOT NULL,
    created_at BIGINT NOT NULL, UNIQUE (user_id, name))`,
  `CREATE TABLE hosts (
    number $SERIAL, id TEXT NOT NULL UNIQUE, service_id TEXT NOT NULL UNIQUE, host TEXT NOT NULL UNIQUE, report TEXT NOT NULL,
    disabled INTEGER NOT NULL, disabled_reason TEXT, forced_down INTEGER NOT NULL, last_seen_at BIGINT NOT NULL,
    availability_zone TEXT NOT NULL, created_at BIGINT NOT NULL)`,
  `CREATE TABLE services (
    number $SERIAL, id TEXT NOT NULL UNIQUE, "binary" TEXT NOT NULL, host TEXT NOT NULL, disabled INTEGER NOT NULL, disabled_reason TEXT,
    last_seen_at BIGINT NOT NULL, created_at BIGINT NOT NULL, UNIQUE ("binary", host))`,
  `CREATE TABLE quotas (project_id TEXT NOT NULL, resource TEXT NOT NULL, hard_limit BIGINT NOT NULL, PRIMARY KEY (project_id, resource))`,
  `CREATE TABLE guards (id TEXT PRIMARY KEY)`,
]
