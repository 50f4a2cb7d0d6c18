/**
 * Whom a guest's QEMU runs as: a user of each server's own, who owns its files and nothing else on the host, so that whoever
 * breaks out of QEMU is nobody. The numbers are those that systemd's "Users, Groups, UIDs and GIDs on systemd Systems" leaves unused.
 */
import { hash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'

export interface GuestUser {
  readonly uid: number
  readonly gid: number
}

const FIRST = 0x7000_0000
const HEX_DIGITS = 7

export const guestUserOf = (serverId: string, gid: number): GuestUser => ({
  uid: FIRST + Number.parseInt(hash('sha256', serverId).slice(0, HEX_DIGITS), 16),
  gid,
})

/** The group of all guests: it may open /dev/kvm, and read cached images. QEMU's Debian package makes it. */
export async function guestsGroup(accelerator: 'kvm' | 'tcg'): Promise<number> {
  if (accelerator === 'kvm') return (await stat('/dev/kvm')).gid
  const found = /^kvm:[^:]*:(\d+):/m.exec(await readFile('/etc/group', 'utf8'))?.[1]
  if (found === undefined) throw new Error('this machine has no group kvm: install qemu-system-x86')
  return Number(found)
}
