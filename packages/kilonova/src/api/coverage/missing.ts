/** What of upstream's API is not here, each with the reason: a line of ./upstream.ts that is neither served nor named here turns a test red. */
const COMING = 'it comes with the actions on servers'
const OPERATORS = 'it comes with what operators ask for'

export const MISSING: Readonly<Record<string, string>> = {
  'POST /servers/*/os-interface': COMING,
  'DELETE /servers/*/os-interface/*': COMING,
  resize: COMING,
  migrate: COMING,
  confirmResize: COMING,
  revertResize: COMING,
  'os-migrateLive': COMING,
  evacuate: COMING,
  injectNetworkInfo: COMING,
  'POST /os-aggregates/*/images from 2.81': OPERATORS,
  'GET /os-instance_usage_audit_log': OPERATORS,
  'GET /os-instance_usage_audit_log/*': OPERATORS,
}
