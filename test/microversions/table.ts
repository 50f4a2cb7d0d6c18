/**
 * What each microversion changed, one entry each, from upstream's history. A change of something that is served is proven: what is seen at the
 * version before, and what at the version. What is not served yet is named; the test fails once it is served and nothing proves its change.
 */
import type { Entry } from './changes.ts'
import { FROM_2_1 } from './table/2.1-2.29.ts'
import { FROM_2_30 } from './table/2.30-2.56.ts'
import { FROM_2_57 } from './table/2.57-2.79.ts'
import { FROM_2_80 } from './table/2.80-2.103.ts'

export const TABLE: Readonly<Record<string, Entry>> = { ...FROM_2_1, ...FROM_2_30, ...FROM_2_57, ...FROM_2_80 }
