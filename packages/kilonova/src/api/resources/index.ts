/** Every operation of the Compute API. The HTTP layer, the tests and the documents read this list. */
import type { AnyOperation } from '../resource.ts'
import { flavors } from './flavors.ts'
import { keyPairs } from './key-pairs.ts'
import { serverAction } from './server-action.ts'
import { serverCreate } from './server-create.ts'
import { servers } from './servers.ts'

export const OPERATIONS: readonly AnyOperation[] = [...servers, ...serverCreate, ...serverAction, ...flavors, ...keyPairs]
