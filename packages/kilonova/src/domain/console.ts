/** Interactive consoles of a guest: its screen and its serial line, and the URL that opens one. */

/** What a guest has: a screen that speaks RFB, and a serial line of bytes. */
export const CONSOLE_KINDS = ['vnc', 'serial'] as const
export type ConsoleKind = (typeof CONSOLE_KINDS)[number]

/** Nova's word for how a user sees it. */
export const CONSOLE_TYPES: Readonly<Record<ConsoleKind, string>> = { vnc: 'novnc', serial: 'serial' }

/** Leave to open one console of one server while it is on one host. */
export interface ConsoleLeave {
  readonly serverId: string
  readonly host: string
  readonly kind: ConsoleKind
  /** Where the URL begins that its owner was given; a browser must come from there. */
  readonly accessUrlBase: string
  readonly expiresAt: number
}

/** noVNC's page takes the token within the path that it is to connect to; other clients take it as it is. */
export function consoleUrl(kind: ConsoleKind, base: string, token: string): string {
  const query = kind === 'vnc' ? { path: `?token=${token}` } : { token }
  return `${base}?${new URLSearchParams(query).toString()}`
}
