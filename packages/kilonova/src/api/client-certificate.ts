/**
 * A certificate that lets a user into Windows by WinRM without a password, as upstream makes it: the user's id is its name,
 * `<id>@localhost` its principal, ten years its life. The private half is told as PKCS #12 (RFC 7292) without a password.
 */
import { createHmac, generateKeyPair, hash, randomBytes, sign, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { bits, explicit, integer, nothing, octets, oid, sequence, set, time, utf8 } from './der.ts'

const BITS = 2048
const DAYS = 3650
const DAY_MS = 86_400_000
const MAC_ROUNDS = 2048

const COMMON_NAME = oid('2.5.4.3')
const RSA_WITH_SHA256 = sequence(oid('1.2.840.113549.1.1.11'), nothing)
const SHA256 = sequence(oid('2.16.840.1.101.3.4.2.1'), nothing)
const EXTENDED_KEY_USAGE = oid('2.5.29.37')
const CLIENT = oid('1.3.6.1.5.5.7.3.2')
const OTHER_NAMES = oid('2.5.29.17')
const PRINCIPAL = oid('1.3.6.1.4.1.311.20.2.3')
const DATA = oid('1.2.840.113549.1.7.1')
const KEY_BAG = oid('1.2.840.113549.1.12.10.1.2')
const CERTIFICATE_BAG = oid('1.2.840.113549.1.12.10.1.3')
const X509 = oid('1.2.840.113549.1.9.22.1')
const LOCAL_KEY_ID = oid('1.2.840.113549.1.9.21')

export interface ClientCertificate {
  /** PEM. */
  readonly certificate: string
  /** PKCS #12 with the certificate in it, in base64. */
  readonly privateKey: string
}

/** `now` in milliseconds. */
export async function clientCertificate(userId: string, now: number): Promise<ClientCertificate> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: BITS })
  const certificate = signed(userId, now, publicKey, privateKey)
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? []
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    privateKey: pkcs12(certificate, privateKey).toString('base64'),
  }
}

function signed(userId: string, now: number, publicKey: KeyObject, privateKey: KeyObject): Buffer {
  const name = sequence(set(sequence(COMMON_NAME, utf8(userId))))
  const principal = sequence(explicit(0, PRINCIPAL, explicit(0, utf8(`${userId}@localhost`))))
  const contents = sequence(
    explicit(0, integer(Buffer.from([2]))), // version 3
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    RSA_WITH_SHA256,
    name,
    sequence(time(now), time(now + DAYS * DAY_MS)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(
      3,
      sequence(sequence(EXTENDED_KEY_USAGE, octets(sequence(CLIENT))), sequence(OTHER_NAMES, octets(principal))),
    ),
  )
  return sequence(contents, RSA_WITH_SHA256, bits(sign('sha256', contents, privateKey)))
}

function pkcs12(certificate: Buffer, privateKey: KeyObject): Buffer {
  const keyId = set(sequence(LOCAL_KEY_ID, set(octets(hash('sha1', certificate, 'buffer')))))
  const key = privateKey.export({ type: 'pkcs8', format: 'der', cipher: 'aes-256-cbc', passphrase: '' })
  const bags = [
    sequence(CERTIFICATE_BAG, explicit(0, sequence(X509, explicit(0, octets(certificate)))), keyId),
    sequence(KEY_BAG, explicit(0, key), keyId),
  ]
  const safe = sequence(...bags.map((bag) => data(sequence(bag))))
  const salt = randomBytes(16)
  const mac = createHmac('sha256', macKey(salt)).update(safe).digest()
  return sequence(
    integer(Buffer.from([3])),
    data(safe),
    sequence(sequence(SHA256, octets(mac)), octets(salt), integer(Buffer.from([MAC_ROUNDS >> 8, MAC_ROUNDS & 0xff]))),
  )
}

const data = (content: Buffer): Buffer => sequence(DATA, explicit(0, octets(content)))

/** RFC 7292, appendix B.2, for SHA-256 and the empty password, which is two zero bytes there. One block is enough. */
function macKey(salt: Buffer): Buffer {
  const BLOCK = 64
  let key = hash(
    'sha256',
    Buffer.concat([Buffer.alloc(BLOCK, 3), Buffer.alloc(BLOCK, salt), Buffer.alloc(BLOCK)]),
    'buffer',
  )
  for (let round = 1; round < MAC_ROUNDS; round++) key = hash('sha256', key, 'buffer')
  return key
}
