/** SSH keys in OpenSSH's form: the wire blob in base64 after its type. RFC 4253 section 6.6. */
import { constants, createPublicKey, hash, publicEncrypt, type KeyObject } from 'node:crypto'

const text = (value: string): Buffer => {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
/** A positive number: a leading zero byte keeps its sign. */
const number = (base64url: string): Buffer => {
  const bytes = Buffer.from(base64url, 'base64url')
  const signed = (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes
  const length = Buffer.alloc(4)
  length.writeUInt32BE(signed.length)
  return Buffer.concat([length, signed])
}

/** `ssh-rsa AAAA… comment`, of an RSA key. */
export function opensshOf(key: KeyObject, comment: string): string {
  const { e, n } = createPublicKey(key.export({ type: 'spki', format: 'pem' })).export({ format: 'jwk' })
  if (e === undefined || n === undefined) throw new Error('only RSA keys are made here')
  return `ssh-rsa ${Buffer.concat([text('ssh-rsa'), number(e), number(n)]).toString('base64')} ${comment}`
}

/** The fields of a blob, each behind its length; what is cut off is left out. */
function fieldsOf(blob: Buffer): readonly Buffer[] {
  const fields: Buffer[] = []
  for (let at = 0; at + 4 <= blob.length;) {
    const end = at + 4 + blob.readUInt32BE(at)
    if (end > blob.length) break
    fields.push(blob.subarray(at + 4, end))
    at = end
  }
  return fields
}

/** For who has the private key: PKCS#1 v1.5, in base64. Undefined: it is no RSA key, or too small for so long a text. */
export function encryptedFor(publicKey: string, plain: string): string | undefined {
  const [type, base64 = ''] = publicKey.trim().split(/\s+/)
  const [, e, n] = type === 'ssh-rsa' ? fieldsOf(Buffer.from(base64, 'base64')) : []
  if (!e || !n) return undefined
  const bare = (value: Buffer): string => value.subarray(value[0] === 0 ? 1 : 0).toString('base64url')
  try {
    const key = createPublicKey({ key: { kty: 'RSA', e: bare(e), n: bare(n) }, format: 'jwk' })
    return publicEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, Buffer.from(plain)).toString('base64')
  } catch {
    return undefined
  }
}

const colons = (hex: string): string => (hex.match(/../g) ?? []).join(':')

/** MD5 of the blob in pairs, as `ssh-keygen -l -E md5` shows it. Undefined: the text is no OpenSSH public key. */
export function fingerprintOf(publicKey: string): string | undefined {
  const [type = '', base64 = ''] = publicKey.trim().split(/\s+/)
  if (!/^(ssh-|ecdsa-|sk-)[a-z0-9@.-]+$/.test(type) || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined
  const blob = Buffer.from(base64, 'base64')
  if (
    blob.length < 4 + type.length ||
    blob.readUInt32BE(0) !== type.length ||
    blob.toString('latin1', 4, 4 + type.length) !== type
  )
    return undefined
  return colons(hash('md5', blob, 'hex'))
}

/** SHA-1 of a certificate in pairs. */
export const certificateFingerprint = (der: Buffer): string => colons(hash('sha1', der, 'hex'))
