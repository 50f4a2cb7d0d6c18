/** What an image says of itself to whoever runs it. */
type Properties = Readonly<Record<string, string>>

const YES = new Set(['yes', 'true', 'on', '1', 'y', 't'])

/** The guest brings a QEMU guest agent along: upstream's words for yes. */
export const hasAgent = ({ hw_qemu_guest_agent: agent = '' }: Properties): boolean => YES.has(agent.toLowerCase())

/** Whose password `changePassword` sets. */
export const adminUserOf = ({ os_admin_user: user, os_type: type }: Properties): string =>
  user || (type === 'windows' ? 'Administrator' : 'root')
