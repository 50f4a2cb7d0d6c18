/** A key pair: a public key that a user may have put into new servers. */
export interface KeyPair {
  readonly userId: string
  readonly name: string
  readonly type: 'ssh' | 'x509'
  readonly publicKey: string
  readonly fingerprint: string
  readonly createdAt: number
}
