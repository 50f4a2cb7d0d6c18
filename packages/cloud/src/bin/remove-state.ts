/** `scripts/remove-state`: asks once, then removes an installation for good. Exit codes are those of `npm start`. */
import { resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { parseArgs } from 'node:util'
import { NotAnInstallationError, removeInstallation } from '../remove-installation.ts'
import { StateDirInUseError } from '../state-dir.ts'

const USAGE = `Usage: scripts/remove-state [--yes] DIR

  Ends every guest of the installation in DIR, its libvirtd and its networks, and deletes DIR with all disks and images.
  --yes   without asking, which without a terminal is needed
`

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { yes: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
  })
  const [dir, ...more] = positionals
  if (values.help || dir === undefined || more.length > 0) {
    process.stdout.write(USAGE)
    return values.help ? 0 : 2
  }
  const path = resolve(dir)
  if (!values.yes && !(await agreed(path))) {
    const unasked = process.stdin.isTTY ? '' : ' There is no terminal to ask you on: give --yes.'
    process.stdout.write(`Nothing was removed.${unasked}\n`)
    return 16
  }
  for (const what of await removeInstallation(path)) process.stdout.write(`removed ${what}\n`)
  return 0
}

async function agreed(path: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  const answer = await terminal
    .question(`Remove the cloud in ${path}, with all its servers, disks and images? [y/N] `)
    .finally(() => terminal.close())
  return /^y/i.test(answer)
}

function codeOf(error: unknown): number {
  const { code = '' } = error as NodeJS.ErrnoException
  if (error instanceof NotAnInstallationError || code.startsWith('ERR_PARSE_ARGS')) return 2
  if (error instanceof StateDirInUseError) return 21
  return code === 'EACCES' || code === 'EPERM' ? 22 : 1
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = codeOf(error)
}
