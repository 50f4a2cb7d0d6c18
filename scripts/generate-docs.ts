// Makes the documents that are derived from code: scripts/generate-docs.ts [--check]. With --check it only says which are stale, and fails.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { coveragePage } from '@kilonova/kilonova/api/coverage/page.ts'
import { configurationPage } from '@kilonova/kilonova/config/document.ts'

const root = dirname(import.meta.dirname)
const PAGES: Readonly<Record<string, () => string>> = {
  'docs/configuration.md': configurationPage,
  'docs/api-coverage.md': coveragePage,
}

const check = process.argv.includes('--check')
for (const [name, make] of Object.entries(PAGES)) {
  const file = join(root, name)
  const text = `${make().trimEnd()}\n`
  if (existsSync(file) && readFileSync(file, 'utf8') === text) continue
  if (check) {
    process.stdout.write(`${name} is stale: run scripts/generate-docs.ts\n`)
    process.exitCode = 1
  } else {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    process.stdout.write(`${name} written\n`)
  }
}
