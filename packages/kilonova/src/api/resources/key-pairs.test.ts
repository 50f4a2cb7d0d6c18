/** Key pairs over HTTP: made or given, each user's own, and usable by OpenSSH. */
import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, hash, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { opensshOf } from '../ssh-key.ts'
import { at, cloud } from '../testing/cloud.ts'

const ED25519 = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1n8wGfSJn9yQ1X0m8m3b2y0y6Yw3m0aV8m3y9u2b3c user@host'

test('a key pair is made here: the private half fits the public one and is told once', async (t) => {
  const it = await cloud(t)
  const made = await it.call('POST', '/os-keypairs', { json: { keypair: { name: 'mine' } } })
  assert.equal(made.status, 200)
  const privateKey = createPrivateKey(String(at(made, 'keypair', 'private_key')))
  assert.equal(
    at(made, 'keypair', 'public_key'),
    opensshOf(createPublicKey(privateKey.export({ type: 'pkcs1', format: 'pem' })), 'Generated-by-Nova'),
  )
  const shown = await it.call('GET', '/os-keypairs/mine')
  assert.equal(at(shown, 'keypair', 'private_key'), undefined)
  assert.equal(at(shown, 'keypair', 'fingerprint'), at(made, 'keypair', 'fingerprint'))
})

test('a public key is taken as it is, with its MD5 fingerprint', async (t) => {
  const it = await cloud(t)
  const made = await it.call('POST', '/os-keypairs', {
    json: { keypair: { name: 'k', public_key: ED25519, type: 'ssh' } },
    version: '2.2',
  })
  assert.equal(made.status, 201)
  const digest = hash('md5', Buffer.from(ED25519.split(' ')[1] ?? '', 'base64'), 'hex')
  assert.equal(at(made, 'keypair', 'fingerprint'), digest.match(/../g)?.join(':'))
  assert.equal(
    (await it.call('POST', '/os-keypairs', { json: { keypair: { name: 'k', public_key: ED25519 } } })).status,
    409,
  )
  assert.equal(
    (await it.call('POST', '/os-keypairs', { json: { keypair: { name: 'x', public_key: 'nonsense' } } })).status,
    400,
  )
  assert.equal((await it.call('POST', '/os-keypairs', { json: { keypair: { name: 'a/b' } } })).status, 400)
  assert.equal(
    (await it.call('POST', '/os-keypairs', { json: { keypair: { name: 'a@b' } }, version: '2.92' })).status,
    400,
    'nothing is made from 2.92 on',
  )
  assert.equal(
    (
      await it.call('POST', '/os-keypairs', {
        json: { keypair: { name: 'a@b.c', public_key: ED25519 } },
        version: '2.92',
      })
    ).status,
    201,
  )
})

test('a certificate is made, too, with its key as PKCS #12', async (t) => {
  const it = await cloud(t)
  const made = await it.call('POST', '/os-keypairs', { json: { keypair: { name: 'c', type: 'x509' } }, version: '2.2' })
  assert.equal(made.status, 201)
  const certificate = new X509Certificate(String(at(made, 'keypair', 'public_key')))
  assert.equal(certificate.subject, `CN=${String(at(made, 'keypair', 'user_id'))}`)
  assert.equal(at(made, 'keypair', 'fingerprint'), certificate.fingerprint.toLowerCase())
  assert.equal(Buffer.from(String(at(made, 'keypair', 'private_key')), 'base64')[0], 0x30)
})

test('users see their own, administrators anybody’s from 2.10', async (t) => {
  const it = await cloud(t)
  await it.call('POST', '/os-keypairs', { json: { keypair: { name: 'k', public_key: ED25519 } } })
  assert.equal((await it.call('GET', '/os-keypairs/k', { as: 'other' })).status, 404)
  assert.equal((await it.call('GET', '/os-keypairs/k?user_id=alice', { as: 'other', version: '2.10' })).status, 403)
  assert.equal((await it.call('GET', '/os-keypairs/k?user_id=alice', { as: 'admin' })).status, 404)
  assert.equal((await it.call('GET', '/os-keypairs/k?user_id=alice', { as: 'admin', version: '2.10' })).status, 200)
  assert.deepEqual(at(await it.call('GET', '/os-keypairs'), 'keypairs', 0, 'keypair', 'name'), 'k')
})

test('they are paged from 2.35, limited by quota, and deleted', async (t) => {
  const it = await cloud(t, { quota: { key_pairs: 3 } })
  for (const name of ['a', 'b', 'c'])
    await it.call('POST', '/os-keypairs', { json: { keypair: { name, public_key: ED25519 } } })
  const page = await it.call('GET', '/os-keypairs?limit=2', { version: '2.35' })
  assert.equal((at(page, 'keypairs') as unknown[]).length, 2)
  assert.match(String(at(page, 'keypairs_links', 0, 'href')), /marker=b/)
  assert.equal((at(await it.call('GET', '/os-keypairs?limit=2'), 'keypairs') as unknown[]).length, 3)
  const over = await it.call('POST', '/os-keypairs', { json: { keypair: { name: 'd', public_key: ED25519 } } })
  assert.deepEqual([over.status, at(over, 'forbidden', 'message')], [403, 'Quota exceeded, too many key pairs.'])
  assert.equal((await it.call('DELETE', '/os-keypairs/a')).status, 202)
  assert.equal((await it.call('DELETE', '/os-keypairs/b', { version: '2.2' })).status, 204)
  assert.equal((await it.call('DELETE', '/os-keypairs/a')).status, 404)
})

test('of many asked for at once no more are made than the quota allows', async (t) => {
  const it = await cloud(t, { quota: { key_pairs: 2 } })
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      it.call('POST', '/os-keypairs', { json: { keypair: { name: `k${index}`, public_key: ED25519 } } }),
    ),
  )
  assert.deepEqual(
    answers.map(({ status }) => status).toSorted((a, b) => a - b),
    [200, 200, 403, 403, 403, 403, 403, 403],
  )
})
