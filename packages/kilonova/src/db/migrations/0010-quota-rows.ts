/** Limits of users within a project, and of quota classes: the class `default` holds where nothing nearer does. */
export const quotaRows: readonly string[] = [
  `CREATE TABLE user_quotas (
    project_id TEXT NOT NULL, user_id TEXT NOT NULL, resource TEXT NOT NULL, hard_limit BIGINT NOT NULL,
    PRIMARY KEY (project_id, user_id, resource))`,
  `CREATE TABLE quota_classes (name TEXT NOT NULL, resource TEXT NOT NULL, hard_limit BIGINT NOT NULL, PRIMARY KEY (name, resource))`,
]
