/** Whoever asks for HTTPS gets it, or is told why not. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigError } from '@kilonova/base/config.ts'
import { readConfig } from '../config/index.ts'
import { tlsOf } from './from-config.ts'

const refusal = (options: string): string => {
  try {
    tlsOf(readConfig(`[DEFAULT]\n${options}\n`))
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.message
  }
  throw new Error('it should have been refused')
}

test('without a certificate there is no HTTPS', () => {
  assert.equal(tlsOf(readConfig()), undefined)
})

test('half of what HTTPS needs is refused: it would be HTTP', () => {
  assert.match(refusal('ssl_cert_file = /c.pem'), /only of use together/)
  assert.match(refusal('ssl_key_file = /k.pem'), /only of use together/)
})

test('files that are missing, or hold something else, are named', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tls-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const both = `ssl_cert_file = ${cert}\nssl_key_file = ${key}`
  assert.match(refusal(both), /cert\.pem[^]*ENOENT/)
  for (const file of [cert, key]) writeFileSync(file, 'no PEM')
  assert.match(refusal(both), /cert\.pem with ssl_key_file \S+key\.pem cannot be used: .*PEM/)
})
