/** The password that a guest posted to the metadata service, as it encrypted it. Clearing it lets the guest post another. */
import { clearGuestPassword, guestPassword } from '../../db/guest-passwords.ts'
import { get, remove } from '../resource.ts'
import { serverTarget } from './server-target.ts'

const path = '/servers/:id/os-server-password'

export const serverPassword = [
  get(path, {
    policy: 'os_compute_api:os-server-password:show',
    target: serverTarget,
    run: async ({ db }, { target }) => (await guestPassword(db, target.id)) ?? '',
    view: (password) => ({ password }),
  }),
  remove(path, {
    policy: 'os_compute_api:os-server-password:clear',
    status: 204,
    target: serverTarget,
    run: ({ db }, { target }) => clearGuestPassword(db, target.id),
  }),
]
