/** Key pairs: public keys that a user may have put into new servers. A private half that is made here is told once and never kept. */
import { generateKeyPair, X509Certificate, type KeyObject } from 'node:crypto'
import { isoMicros } from '@kilonova/base/clock.ts'
import { z } from 'zod'
import { atomically } from '../../db/database.ts'
import { lockGuards } from '../../db/guards.ts'
import {
  countKeyPairs,
  deleteKeyPair,
  findKeyPair,
  insertKeyPair,
  listKeyPairs,
  type KeptKeyPair,
} from '../../db/key-pairs.ts'
import { nearestLimits } from '../../db/quotas.ts'
import { NovaError } from '../../domain/errors.ts'
import type { KeyPair } from '../../domain/key-pair.ts'
import { clientCertificate } from '../client-certificate.ts'
import { certificateFingerprint, fingerprintOf, opensshOf } from '../ssh-key.ts'
import type { Ctx } from '../context.ts'
import { badRequest } from '../faults.ts'
import { name, once, page } from '../fields.ts'
import { fullPage, get, pageOf, post, remove, since, view, wrapped, type Page } from '../resource.ts'

type Made = KeyPair & { readonly privateKey?: string }

const listed = view<KeyPair>({
  name: ({ name }) => name,
  public_key: ({ publicKey }) => publicKey,
  fingerprint: ({ fingerprint }) => fingerprint,
  type: since('2.2', ({ type }) => type),
})
const created = view<Made>({
  name: ({ name }) => name,
  public_key: ({ publicKey }) => publicKey,
  fingerprint: ({ fingerprint }) => fingerprint,
  user_id: ({ userId }) => userId,
  private_key: ({ privateKey }) => privateKey,
  type: since('2.2', ({ type }) => type),
})
const shown = view<KeptKeyPair>({
  id: ({ number }) => number,
  name: ({ name }) => name,
  public_key: ({ publicKey }) => publicKey,
  fingerprint: ({ fingerprint }) => fingerprint,
  user_id: ({ userId }) => userId,
  created_at: ({ createdAt }) => isoMicros(createdAt),
  updated_at: () => null,
  deleted_at: () => null,
  deleted: () => false,
  type: since('2.2', ({ type }) => type),
})

/** Nobody: the key pairs are the caller's own. From 2.10 an administrator may name a user. */
const user = { user_id: once(z.string()) }
const loose = z.object({}).transform(() => ({ user_id: undefined }))
const one = { '2.1': loose, '2.10': z.object(user), '2.75': z.strictObject(user) } as const
const many = {
  '2.1': z.object({}).transform(() => ({ user_id: undefined, limit: undefined, marker: undefined })),
  '2.10': z.object(user).transform(({ user_id }) => ({ user_id, limit: undefined, marker: undefined })),
  '2.35': z.object({ ...user, ...page }),
  '2.75': z.strictObject({ ...user, ...page }),
} as const

const plainName = name.refine((text) => /^[a-zA-Z0-9_ -]+$/.test(text), 'Only expected characters: [a-zA-Z0-9_- ]')
const wideName = name.refine((text) => /^[a-zA-Z0-9_@. -]+$/.test(text), 'Only expected characters: [a-zA-Z0-9_-@. ]')
const v1 = z.strictObject({ name: plainName, public_key: z.string().optional() })
const v2 = v1.extend({ type: z.enum(['ssh', 'x509']).default('ssh') })
const v10 = v2.extend({ user_id: z.string().optional() })
const v92 = v10.extend({ name: wideName, public_key: z.string() })
const wrap = <S extends z.ZodType>(keypair: S) => z.strictObject({ keypair })

interface New {
  readonly name: string
  readonly type?: 'ssh' | 'x509'
  readonly public_key?: string | undefined
  readonly user_id?: string | undefined
}

const invalidKey = (reason: string) => badRequest(`Keypair data is invalid: ${reason}`)

function fingerprint(type: KeyPair['type'], publicKey: string): string {
  if (type === 'ssh') {
    const found = fingerprintOf(publicKey)
    if (found === undefined) throw invalidKey('failed to generate fingerprint')
    return found
  }
  try {
    return certificateFingerprint(new X509Certificate(publicKey).raw)
  } catch {
    throw invalidKey('failed to generate X509 fingerprint. Error message: it is not a certificate in PEM form')
  }
}

async function generated(
  type: KeyPair['type'],
  userId: string,
  now: number,
): Promise<{ readonly publicKey: string; readonly privateKey: string }> {
  if (type === 'x509') {
    const { certificate, privateKey } = await clientCertificate(userId, now)
    return { publicKey: certificate, privateKey }
  }
  const { promise, resolve, reject } = Promise.withResolvers<{ publicKey: KeyObject; privateKey: KeyObject }>()
  generateKeyPair('rsa', { modulusLength: 2048 }, (error, publicKey, privateKey) =>
    error ? reject(error) : resolve({ publicKey, privateKey }),
  )
  const { publicKey, privateKey } = await promise
  return {
    publicKey: opensshOf(publicKey, 'Generated-by-Nova'),
    privateKey: privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
  }
}

/** Whose key pairs: the caller's own, or those of the user named. Errors: Forbidden. */
const ownerOf = (ctx: Ctx, rule: 'index' | 'show' | 'create' | 'delete', asked: string | undefined): string => {
  const userId = asked ?? ctx.caller.userId
  ctx.check(`os_compute_api:os-keypairs:${rule}`, { userId })
  return userId
}

async function create(ctx: Ctx, { name, type = 'ssh', public_key: given, user_id }: New): Promise<Made> {
  const { db, clock, caller, config } = ctx
  const userId = ownerOf(ctx, 'create', user_id)
  const made: { readonly publicKey: string; readonly privateKey?: string } =
    given === undefined ? await generated(type, userId, clock.now()) : { publicKey: given }
  const pair: KeyPair = {
    userId,
    name,
    type,
    publicKey: made.publicKey,
    fingerprint: fingerprint(type, made.publicKey),
    createdAt: clock.now(),
  }
  const { key_pairs: limit } = await nearestLimits(db, { projectId: caller.projectId, userId }, config.quota)
  await atomically(db, async (tx) => {
    await lockGuards(tx, [`key-pairs/${userId}`])
    if (limit >= 0 && (await countKeyPairs(tx, userId)) >= limit) throw new NovaError('KeypairLimitExceeded', {})
    if (!(await insertKeyPair(tx, pair))) throw new NovaError('KeyPairExists', { name })
  })
  return made.privateKey === undefined ? pair : { ...pair, privateKey: made.privateKey }
}

async function find(ctx: Ctx, userId: string): Promise<KeptKeyPair> {
  const name = ctx.params['name'] ?? ''
  const pair = await findKeyPair(ctx.db, userId, name)
  if (!pair) throw new NovaError('KeypairNotFound', { name, user: userId })
  return pair
}

async function list(
  ctx: Ctx,
  query: { user_id?: string | undefined; limit?: number | undefined; marker?: string | undefined },
): Promise<Page<KeyPair>> {
  const userId = ownerOf(ctx, 'index', query.user_id)
  if (query.marker !== undefined && !(await findKeyPair(ctx.db, userId, query.marker)))
    throw new NovaError('MarkerNotFound', { marker: query.marker })
  const most = ctx.config.api.max_limit
  const limit = Math.min(query.limit ?? most, most)
  return fullPage(await listKeyPairs(ctx.db, userId, limit, query.marker), limit, ({ name }) => name)
}

export const keyPairs = [
  get('/os-keypairs', {
    policy: 'os_compute_api:os-keypairs:index',
    query: many,
    run: (ctx, { query }) => list(ctx, query),
    view: pageOf('keypairs', wrapped('keypair', listed)),
  }),
  post('/os-keypairs', {
    policy: 'os_compute_api:os-keypairs:create',
    status: { '2.1': 200, '2.2': 201 },
    body: { '2.1': wrap(v1), '2.2': wrap(v2), '2.10': wrap(v10), '2.92': wrap(v92) },
    run: (ctx, { body }) => create(ctx, body.keypair),
    view: wrapped('keypair', created),
  }),
  get('/os-keypairs/:name', {
    policy: 'os_compute_api:os-keypairs:show',
    query: one,
    run: (ctx, { query }) => find(ctx, ownerOf(ctx, 'show', query.user_id)),
    view: wrapped('keypair', shown),
  }),
  remove('/os-keypairs/:name', {
    policy: 'os_compute_api:os-keypairs:delete',
    status: { '2.1': 202, '2.2': 204 },
    query: one,
    run: async (ctx, { query }) => {
      const userId = ownerOf(ctx, 'delete', query.user_id)
      const { name } = await find(ctx, userId)
      await deleteKeyPair(ctx.db, userId, name)
    },
  }),
]
