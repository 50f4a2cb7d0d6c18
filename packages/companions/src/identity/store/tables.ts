/** What the identity service keeps. Booleans are 0 and 1, times are milliseconds; a token is kept as its hash only. */
import type { Migrations } from '@kilonova/base/database/migrate.ts'

export interface IdentityTables {
  domains: { id: string; name: string; description: string; enabled: number }
  projects: { id: string; name: string; domain_id: string; description: string; enabled: number }
  users: {
    id: string
    name: string
    domain_id: string
    description: string
    email: string | null
    enabled: number
    default_project_id: string | null
    password_hash: string
    /** Tokens issued before this moment are void. */
    tokens_from: number
  }
  roles: { id: string; name: string; description: string }
  implied_roles: { prior_id: string; implied_id: string }
  /** A user's role on a project or a domain. */
  assignments: { user_id: string; target_kind: 'project' | 'domain'; target_id: string; role_id: string }
  regions: { id: string; description: string }
  services: { id: string; type: string; name: string; description: string; enabled: number }
  endpoints: { id: string; service_id: string; region_id: string; interface: string; url: string; enabled: number }
  tokens: {
    hash: string
    user_id: string
    project_id: string | null
    domain_id: string | null
    methods: string
    audit_id: string
    parent_audit_id: string | null
    issued_at: number
    expires_at: number
  }
}

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
}
