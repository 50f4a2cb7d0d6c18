/** What the identity service keeps. Booleans are 0 and 1, times are milliseconds; a token is kept as its hash only. */
import type { Migrations } from '@kilonova/base/database/migrate.ts'

/** Attributes of the caller's own, and Keystone's resource options (`{"immutable": true}`): JSON objects as text. */
interface Open {
  extra: string
}
interface WithOptions extends Open {
  options: string
}

export interface IdentityTables {
  domains: WithOptions & { id: string; name: string; description: string; enabled: number; tags: string }
  projects: WithOptions & {
    id: string
    name: string
    domain_id: string
    /** Null: directly under its domain. */
    parent_id: string | null
    description: string
    enabled: number
    /** JSON array. */
    tags: string
  }
  users: WithOptions & {
    id: string
    name: string
    domain_id: string
    description: string
    email: string | null
    enabled: number
    default_project_id: string | null
    /** Empty: no password, so none fits. */
    password_hash: string
    /** Of the password that the bootstrap plan gave last: who changed theirs keeps it while the plan stays. */
    planned_hash: string | null
    /** Tokens issued before this moment are void. */
    tokens_from: number
  }
  groups: Open & { id: string; name: string; domain_id: string; description: string }
  memberships: { group_id: string; user_id: string }
  /** `domain_id` null: a role of the whole cloud. One of a domain counts only by what it implies. */
  roles: WithOptions & { id: string; name: string; domain_id: string | null; description: string | null }
  implied_roles: { prior_id: string; implied_id: string }
  /** The role of a user or group on a target; `inherited`: on the projects below it, not on itself. */
  assignments: {
    actor_kind: ActorKind
    actor_id: string
    target_kind: TargetKind
    /** `system` for the system. */
    target_id: string
    role_id: string
    inherited: number
  }
  regions: Open & { id: string; description: string; parent_region_id: string | null }
  services: Open & { id: string; type: string; name: string | null; description: string | null; enabled: number }
  endpoints: Open & {
    id: string
    service_id: string
    region_id: string | null
    interface: string
    url: string
    enabled: number
  }
  tokens: {
    hash: string
    user_id: string
    project_id: string | null
    domain_id: string | null
    system: number
    application_credential_id: string | null
    methods: string
    audit_id: string
    parent_audit_id: string | null
    issued_at: number
    expires_at: number
  }
  application_credentials: {
    id: string
    name: string
    user_id: string
    project_id: string
    description: string | null
    secret_hash: string
    unrestricted: number
    expires_at: number | null
  }
  application_credential_roles: { application_credential_id: string; role_id: string }
}

export type ActorKind = 'user' | 'group'
export type TargetKind = 'project' | 'domain' | 'system'

export const migrations: Migrations = {
  '0001-identity': [
    `CREATE TABLE domains (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, description TEXT NOT NULL, enabled INTEGER NOT NULL)`,
    `CREATE TABLE projects (id TEXT PRIMARY KEY, name TEXT NOT NULL, domain_id TEXT NOT NULL REFERENCES domains (id),
      description TEXT NOT NULL, enabled INTEGER NOT NULL, UNIQUE (domain_id, name))`,
    `CREATE TABLE users (id TEXT PRIMARY KEY, name TEXT NOT NULL, domain_id TEXT NOT NULL REFERENCES domains (id),
      description TEXT NOT NULL, email TEXT, enabled INTEGER NOT NULL, default_project_id TEXT, password_hash TEXT NOT NULL,
      tokens_from BIGINT NOT NULL, UNIQUE (domain_id, name))`,
    `CREATE TABLE roles (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, description TEXT NOT NULL)`,
    `CREATE TABLE implied_roles (prior_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
      implied_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE, PRIMARY KEY (prior_id, implied_id))`,
    `CREATE TABLE assignments (user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE, target_kind TEXT NOT NULL,
      target_id TEXT NOT NULL, role_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
      PRIMARY KEY (user_id, target_kind, target_id, role_id))`,
    `CREATE TABLE regions (id TEXT PRIMARY KEY, description TEXT NOT NULL)`,
    `CREATE TABLE services (id TEXT PRIMARY KEY, type TEXT NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL,
      enabled INTEGER NOT NULL, UNIQUE (type, name))`,
    `CREATE TABLE endpoints (id TEXT PRIMARY KEY, service_id TEXT NOT NULL REFERENCES services (id) ON DELETE CASCADE,
      region_id TEXT NOT NULL REFERENCES regions (id), interface TEXT NOT NULL, url TEXT NOT NULL, enabled INTEGER NOT NULL,
      UNIQUE (service_id, region_id, interface))`,
    `CREATE TABLE tokens (hash TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
      project_id TEXT REFERENCES projects (id) ON DELETE CASCADE, domain_id TEXT REFERENCES domains (id) ON DELETE CASCADE,
      methods TEXT NOT NULL, audit_id TEXT NOT NULL, parent_audit_id TEXT, issued_at BIGINT NOT NULL, expires_at BIGINT NOT NULL)`,
    `CREATE INDEX tokens_expires_at ON tokens (expires_at)`,
    `CREATE INDEX tokens_user ON tokens (user_id)`,
  ],
  '0002-identity-whole': [
    `ALTER TABLE domains ADD COLUMN tags TEXT NOT NULL DEFAULT '[]'`,
    ...['domains', 'users', 'projects'].flatMap((table) => [
      `ALTER TABLE ${table} ADD COLUMN options TEXT NOT NULL DEFAULT '{}'`,
      `ALTER TABLE ${table} ADD COLUMN extra TEXT NOT NULL DEFAULT '{}'`,
    ]),
    `ALTER TABLE projects ADD COLUMN parent_id TEXT REFERENCES projects (id)`,
    `ALTER TABLE projects ADD COLUMN tags TEXT NOT NULL DEFAULT '[]'`,
    `ALTER TABLE users ADD COLUMN planned_hash TEXT`,
    `UPDATE users SET planned_hash = password_hash`,
    `CREATE TABLE groups (id TEXT PRIMARY KEY, name TEXT NOT NULL, domain_id TEXT NOT NULL REFERENCES domains (id),
      description TEXT NOT NULL, extra TEXT NOT NULL, UNIQUE (domain_id, name))`,
    `CREATE TABLE memberships (group_id TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
      user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE, PRIMARY KEY (group_id, user_id))`,
    `CREATE INDEX memberships_user ON memberships (user_id)`,
    // Made anew, because a unique column cannot be taken back: what refers to a table goes before it.
    `CREATE TABLE new_roles (id TEXT PRIMARY KEY, name TEXT NOT NULL, domain_id TEXT REFERENCES domains (id),
      description TEXT, options TEXT NOT NULL, extra TEXT NOT NULL)`,
    `INSERT INTO new_roles SELECT id, name, NULL, description, '{}', '{}' FROM roles`,
    `CREATE TABLE new_implied_roles (prior_id TEXT NOT NULL REFERENCES new_roles (id) ON DELETE CASCADE,
      implied_id TEXT NOT NULL REFERENCES new_roles (id) ON DELETE CASCADE, PRIMARY KEY (prior_id, implied_id))`,
    `INSERT INTO new_implied_roles SELECT prior_id, implied_id FROM implied_roles`,
    `CREATE TABLE new_assignments (actor_kind TEXT NOT NULL, actor_id TEXT NOT NULL, target_kind TEXT NOT NULL,
      target_id TEXT NOT NULL, role_id TEXT NOT NULL REFERENCES new_roles (id) ON DELETE CASCADE, inherited INTEGER NOT NULL,
      PRIMARY KEY (actor_kind, actor_id, target_kind, target_id, role_id, inherited))`,
    `INSERT INTO new_assignments SELECT 'user', user_id, target_kind, target_id, role_id, 0 FROM assignments`,
    `DROP TABLE assignments`,
    `DROP TABLE implied_roles`,
    `DROP TABLE roles`,
    `ALTER TABLE new_roles RENAME TO roles`,
    `ALTER TABLE new_implied_roles RENAME TO implied_roles`,
    `ALTER TABLE new_assignments RENAME TO assignments`,
    `CREATE UNIQUE INDEX roles_name ON roles (name, coalesce(domain_id, ''))`,
    `CREATE INDEX assignments_target ON assignments (target_kind, target_id)`,
    `ALTER TABLE regions ADD COLUMN parent_region_id TEXT REFERENCES regions (id)`,
    `ALTER TABLE regions ADD COLUMN extra TEXT NOT NULL DEFAULT '{}'`,
    `CREATE TABLE new_services (id TEXT PRIMARY KEY, type TEXT NOT NULL, name TEXT, description TEXT,
      enabled INTEGER NOT NULL, extra TEXT NOT NULL)`,
    `INSERT INTO new_services SELECT id, type, name, description, enabled, '{}' FROM services`,
    `CREATE TABLE new_endpoints (id TEXT PRIMARY KEY, service_id TEXT NOT NULL REFERENCES new_services (id) ON DELETE CASCADE,
      region_id TEXT REFERENCES regions (id), interface TEXT NOT NULL, url TEXT NOT NULL, enabled INTEGER NOT NULL,
      extra TEXT NOT NULL)`,
    `INSERT INTO new_endpoints SELECT id, service_id, region_id, interface, url, enabled, '{}' FROM endpoints`,
    `DROP TABLE endpoints`,
    `DROP TABLE services`,
    `ALTER TABLE new_services RENAME TO services`,
    `ALTER TABLE new_endpoints RENAME TO endpoints`,
    `CREATE INDEX endpoints_service ON endpoints (service_id)`,
    `CREATE TABLE application_credentials (id TEXT PRIMARY KEY, name TEXT NOT NULL,
      user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
      project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE, description TEXT, secret_hash TEXT NOT NULL,
      unrestricted INTEGER NOT NULL, expires_at BIGINT, UNIQUE (user_id, name))`,
    `CREATE TABLE application_credential_roles (
      application_credential_id TEXT NOT NULL REFERENCES application_credentials (id) ON DELETE CASCADE,
      role_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE, PRIMARY KEY (application_credential_id, role_id))`,
    `ALTER TABLE tokens ADD COLUMN system INTEGER NOT NULL DEFAULT 0`,
    `ALTER TABLE tokens ADD COLUMN application_credential_id TEXT REFERENCES application_credentials (id) ON DELETE CASCADE`,
  ],
}
