/** The rules that other rules are made of, as Nova names them: an operator changes many at once by changing one. Upstream: nova/policies/base.py. */

export const BASE_RULES = {
  /** Who is an administrator: sees every project, and is what `is_admin:True` asks for. */
  context_is_admin: 'role:admin',
  admin_or_owner: 'is_admin:True or project_id:%(project_id)s',
  admin_api: 'is_admin:True',
  project_manager_api: 'role:manager and project_id:%(project_id)s',
  project_member_api: 'role:member and project_id:%(project_id)s',
  project_reader_api: 'role:reader and project_id:%(project_id)s',
  project_manager_or_admin: 'rule:project_manager_api or rule:context_is_admin',
  project_member_or_admin: 'rule:project_member_api or rule:context_is_admin',
  project_reader_or_admin: 'rule:project_reader_api or rule:context_is_admin',
  service_api: 'role:service',
  service_or_admin: 'rule:service_api or rule:context_is_admin',
} as const

/** What is added to them with `enforce_new_defaults = false`: what was enough before there were readers and managers. */
export const FORMER_RULES: Readonly<Partial<Record<keyof typeof BASE_RULES, string>>> = {
  project_manager_api: 'rule:admin_api',
  project_member_api: 'rule:admin_or_owner',
  project_reader_api: 'rule:admin_or_owner',
  project_manager_or_admin: 'rule:admin_api',
  project_member_or_admin: 'rule:admin_or_owner',
  project_reader_or_admin: 'rule:admin_or_owner',
  service_api: 'rule:admin_api',
  service_or_admin: 'rule:admin_api',
}
