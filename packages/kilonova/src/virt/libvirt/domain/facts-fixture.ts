/** Facts of a domain for tests that are about something else: one disk, no card, no config drive. */
import type { GuestSpec } from '../../driver.ts'
import { DEFAULT_GUEST_OPTIONS, type DomainFacts } from './facts.ts'

export const factsOf = (spec: GuestSpec, more: Partial<DomainFacts> = {}): DomainFacts => ({
  spec,
  installationId: 'ab12',
  accelerator: 'tcg',
  user: { uid: 1, gid: 1 },
  rootDisk: { file: '/d', base: null },
  rescueDisk: null,
  diskCache: 'none',
  configDrive: null,
  consoleLog: '/c',
  localDisks: [],
  nvram: '/n',
  hugePageKib: null,
  options: DEFAULT_GUEST_OPTIONS,
  nics: [],
  ...more,
})
