/** The name of the real host, kept with its guests: under another name they would belong to nobody, and guests of nobody are removed. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { UsageError } from './options.ts'

/** Notes the name at the first start. Errors: UsageError when it is another one now. */
export function keepHostName(stateDir: string, host: string): void {
  const file = join(stateDir, 'host')
  if (!existsSync(file)) {
    writeFileSync(`${file}.new`, `${host}\n`, { mode: 0o600, flush: true })
    return renameSync(`${file}.new`, file)
  }
  const known = readFileSync(file, 'utf8').trim()
  if (known !== host)
    throw new UsageError(
      `the servers in ${stateDir} live on a host that is called ${known}, not ${host}: write "host = ${known}" under [DEFAULT] in a file for --config`,
    )
}
