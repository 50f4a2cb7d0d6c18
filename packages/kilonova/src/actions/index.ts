/** Every action on a server, by name. The API, the conductor, the battery and the docs read this list. */
import { attachInterface } from './attach-interface.ts'
import { create } from './create.ts'
import { createBackup } from './create-backup.ts'
import { createImage } from './create-image.ts'
import type { ServerAction } from './define.ts'
import { deleteServer } from './delete.ts'
import { detachInterface, loseInterface } from './detach-interface.ts'
import { pause } from './pause.ts'
import { rebootHard, rebootSoft } from './reboot.ts'
import { rebuild } from './rebuild.ts'
import { rescue, unrescue } from './rescue.ts'
import { resetState } from './reset-state.ts'
import { restore } from './restore.ts'
import { resume } from './resume.ts'
import { shelve, shelveAndOffload, shelveOffload } from './shelve.ts'
import { softDelete } from './soft-delete.ts'
import { start } from './start.ts'
import { stop } from './stop.ts'
import { suspend } from './suspend.ts'
import { unpause } from './unpause.ts'
import { unshelve, unshelveInPlace } from './unshelve.ts'

const all: readonly ServerAction[] = [
  create,
  deleteServer,
  start,
  stop,
  rebootSoft,
  rebootHard,
  pause,
  unpause,
  suspend,
  resume,
  createImage,
  createBackup,
  rebuild,
  rescue,
  unrescue,
  shelve,
  shelveAndOffload,
  shelveOffload,
  unshelve,
  unshelveInPlace,
  softDelete,
  restore,
  resetState,
  attachInterface,
  detachInterface,
  loseInterface,
]

export const ACTIONS: Readonly<Record<string, ServerAction>> = Object.fromEntries(
  all.map((action) => [action.name, action]),
)
