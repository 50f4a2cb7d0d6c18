/** What of upstream's API is not here, each with the reason: a line of ./upstream.ts that is neither served nor named here turns a test red. */
const COMING = 'it comes with the actions on servers'

export const MISSING: Readonly<Record<string, string>> = {
  resize: COMING,
  migrate: COMING,
  confirmResize: COMING,
  revertResize: COMING,
  'os-migrateLive': COMING,
  evacuate: COMING,
  injectNetworkInfo: COMING,
}
