/** A certificate authority with one certificate for a server on 127.0.0.1 and one for a client, made by openssl for one test. */
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ClientTls } from '../contract/tls-cases.ts'

const run = promisify(execFile)

export interface Certificates {
  readonly ca: string
  readonly server: { readonly key: string; readonly cert: string }
  readonly client: { readonly key: string; readonly cert: string }
}

/** Gives the paths of PEM files in `directory`, which is made. */
export async function makeCertificates(directory: string): Promise<Certificates> {
  await mkdir(directory)
  const file = (name: string): string => join(directory, name)
  const key = ['-newkey', 'rsa:2048', '-nodes', '-days', '2']
  await run('openssl', [
    'req',
    '-x509',
    ...key,
    '-subj',
    '/CN=test CA',
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
  ])
  const signed = async (name: string, usage: string): Promise<{ key: string; cert: string }> => {
    const pair = { key: file(`${name}.key`), cert: file(`${name}.pem`) }
    await writeFile(file(`${name}.ext`), `subjectAltName=IP:127.0.0.1\nextendedKeyUsage=${usage}\n`)
    await run('openssl', ['req', ...key, '-subj', `/CN=${name}`, '-keyout', pair.key, '-out', file(`${name}.csr`)])
    const signing = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '2']
    const from = ['-in', file(`${name}.csr`), '-extfile', file(`${name}.ext`)]
    await run('openssl', ['x509', '-req', ...from, ...signing, '-out', pair.cert])
    return pair
  }
  return {
    ca: file('ca.pem'),
    server: await signed('server', 'serverAuth'),
    client: await signed('client', 'clientAuth'),
  }
}

/** For `connect({ tls })`. */
export async function clientTls({ ca, client }: Certificates): Promise<ClientTls> {
  const [caText, key, cert] = await Promise.all([ca, client.key, client.cert].map((path) => readFile(path)))
  if (!caText || !key || !cert) throw new Error('no certificates')
  return { ca: caText, key, cert }
}
