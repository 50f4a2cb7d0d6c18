/** Passwords as scrypt hashes (memory-hard, 16 MiB each), made off the event loop and few at a time. */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { Fault } from '../openstack/fault.ts'

const COST = { N: 16_384, r: 8, p: 1 }
const KEY_BYTES = 32
const MAX_PASSWORD_BYTES = 4_096
/** Memory is bounded by the first, waiting time by the second. */
const MAX_RUNNING = 2
const MAX_WAITING = 200

let running = 0
const waiting: (() => void)[] = []

async function derive(password: string, salt: Buffer, { N, r, p }: typeof COST): Promise<Buffer> {
  if (running < MAX_RUNNING) running++
  else if (waiting.length >= MAX_WAITING) throw new Fault(503, 'Too many authentications at once; try again.')
  else await new Promise<void>((go) => waiting.push(go))
  try {
    return await new Promise((done, fail) =>
      scrypt(password, salt, KEY_BYTES, { N, r, p, maxmem: 256 * N * r }, (error, key) =>
        error ? fail(error) : done(key),
      ),
    )
  } finally {
    const next = waiting.shift()
    if (next) next()
    else running--
  }
}

/** `scrypt$<N>$<r>$<p>$<salt>$<key>`: a later, dearer cost can live beside it. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const key = await derive(password, salt, COST)
  return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64url'), key.toString('base64url')].join('$')
}

const NOBODY = ['scrypt', COST.N, COST.r, COST.p, randomBytes(16).toString('base64url'), ''].join('$')

/** Without a hash (an unknown user) it takes the same time and is false. */
export async function passwordMatches(password: string, stored: string | undefined): Promise<boolean> {
  if (Buffer.byteLength(password) > MAX_PASSWORD_BYTES) return false
  const [, N, r, p, salt, key] = (stored ?? NOBODY).split('$')
  const derived = await derive(password, Buffer.from(salt ?? '', 'base64url'), {
    N: Number(N),
    r: Number(r),
    p: Number(p),
  })
  const expected = Buffer.from(key ?? '', 'base64url')
  return expected.length === derived.length && timingSafeEqual(expected, derived)
}
