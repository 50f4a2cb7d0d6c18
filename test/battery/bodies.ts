/** What actions are asked for with, where that is more than nothing. */
import { newId } from '@kilonova/base/clock.ts'
import { imageOf } from '@kilonova/kilonova/actions/snapshot.ts'
import type { Server } from '@kilonova/kilonova/domain/server.ts'

const snapshotOf = (server: Server, type: 'snapshot' | 'backup') =>
  imageOf(server, { id: newId(), name: 'copy', type, userId: server.userId, projectId: server.projectId })

export const BODIES: Readonly<Record<string, (server: Server) => unknown>> = {
  createImage: (server) => ({ image: snapshotOf(server, 'snapshot') }),
  rebuild: ({ image }) => ({ record: { image, keyName: 'other' }, otherImage: true }),
  unshelve: () => ({ zone: null, onlyHost: null, pinnedZone: null }),
  rescue: ({ image }) => ({ image: { id: image?.id, properties: {} } }),
  createBackup: (server) => ({ image: snapshotOf(server, 'backup'), rotation: 1 }),
  attachInterface: ({ requestedNics: [nic] }) => ({ networkId: nic?.networkId, tag: 'more' }),
  // The first was made for the server, the last is its user's own.
  detachInterface: ({ addresses }) => ({ portId: addresses.at(0)?.portId }),
  loseInterface: ({ addresses }) => ({ portId: addresses.at(-1)?.portId }),
  resetState: () => ({ vmState: 'error' }),
}
