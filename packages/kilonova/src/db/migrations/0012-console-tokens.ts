/** Who may open which console, and until when. */
export const consoleTokens: readonly string[] = [
  `CREATE TABLE console_tokens (
    token_hash TEXT PRIMARY KEY, server_id TEXT NOT NULL, host TEXT NOT NULL, kind TEXT NOT NULL,
    access_url_base TEXT NOT NULL, expires_at BIGINT NOT NULL, created_at BIGINT NOT NULL)`,
  `CREATE INDEX console_tokens_by_expiry ON console_tokens (expires_at)`,
  `CREATE INDEX console_tokens_by_server ON console_tokens (server_id)`,
]
