/** A certificate and its key as two files. All listeners that were given them show what the files held at the last `reload`. */
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'

export interface Certificate {
  /** PEM; the whole chain. */
  readonly cert: Buffer
  readonly key: Buffer
}

export interface CertificateFiles {
  current(): Certificate
  /** Errors: what the files hold cannot be used; the former certificate stays. */
  reload(): void
  onReload(listener: (certificate: Certificate) => void): void
}

/** Errors: a file cannot be read, or the two do not belong together. */
export function certificateFiles(certFile: string, keyFile: string): CertificateFiles {
  const read = (): Certificate => {
    const certificate = { cert: readFileSync(certFile), key: readFileSync(keyFile) }
    createSecureContext(certificate)
    return certificate
  }
  const listeners: ((certificate: Certificate) => void)[] = []
  let current = read()
  return {
    current: () => current,
    reload: () => {
      current = read()
      for (const listener of listeners) listener(current)
    },
    onReload: (listener) => void listeners.push(listener),
  }
}
