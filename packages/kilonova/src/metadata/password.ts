/** The password of a guest, encrypted by itself with its user's key: posted once, shown to its user. Upstream: nova/api/metadata/password.py. */

export interface Passwords {
  /** Undefined: none was posted. */
  read(serverId: string): Promise<string | undefined>
  /** False: one is there already. */
  setOnce(serverId: string, password: string): Promise<boolean>
}
export interface Answer {
  readonly status: number
  readonly text: string
}

const MAX_BYTES = 1020

/** A post of nothing sets nothing. */
export async function answerPassword(
  passwords: Passwords,
  serverId: string,
  method: string,
  body: unknown,
): Promise<Answer> {
  if (method === 'GET' || method === 'HEAD') return { status: 200, text: (await passwords.read(serverId)) ?? '' }
  if (method !== 'POST') return { status: 400, text: 'GET and POST only are supported.' }
  const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0)
  if (bytes.length > MAX_BYTES) return { status: 400, text: 'Request is too large.' }
  const password = bytes.toString('utf8')
  if (!Buffer.from(password).equals(bytes) || password.includes('\0'))
    return { status: 400, text: 'The password is not text.' }
  if (password === '' || (await passwords.setOnce(serverId, password))) return { status: 200, text: '' }
  return { status: 409, text: 'There was a conflict when trying to complete your request.' }
}
