/** Tags and fixed addresses as rows of their own, and the orders that lists are read in: what a filter of a list looks at is narrow. */
const both: readonly string[] = [
  `CREATE TABLE server_terms (
    kind TEXT NOT NULL, term TEXT NOT NULL, server_id TEXT NOT NULL, PRIMARY KEY (kind, term, server_id))`,
  `CREATE INDEX server_terms_by_server ON server_terms (server_id, kind)`,
  `DROP INDEX servers_by_age`,
  `CREATE INDEX servers_by_age ON servers (deleted_at, created_at, project_id, vm_state, name)`,
  `CREATE INDEX servers_by_state ON servers (vm_state, deleted_at, created_at)`,
  `DROP INDEX servers_by_host`,
  `CREATE INDEX servers_by_host ON servers (host, deleted_at, created_at)`,
  `CREATE INDEX servers_by_change ON servers (updated_at)`,
]
const insert = `INSERT INTO server_terms (kind, term, server_id) SELECT DISTINCT`

export const serverTerms: Readonly<Record<'sqlite' | 'postgresql', readonly string[]>> = {
  sqlite: [
    ...both,
    `${insert} 'tag', value, servers.id FROM servers, json_each(servers.tags)`,
    `${insert} 'ip' || json_extract(value, '$.version'), json_extract(value, '$.address'), servers.id
      FROM servers, json_each(servers.addresses) WHERE json_extract(value, '$.type') IS NULL`,
  ],
  postgresql: [
    ...both,
    `${insert} 'tag', value, servers.id FROM servers, jsonb_array_elements_text(servers.tags::jsonb) AS value`,
    `${insert} 'ip' || (value->>'version'), value->>'address', servers.id
      FROM servers, jsonb_array_elements(servers.addresses::jsonb) AS value WHERE value->>'type' IS NULL`,
  ],
}
