/** Looks for secrets in what others may read: logs, command lines, environments, answers. */
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

export interface Secret {
  readonly name: string
  readonly value: string
}

/** Told from all others. */
export const planted = (name: string): Secret => ({
  name,
  value: `${name.replaceAll(' ', '-')}-${randomBytes(9).toString('hex')}`,
})

/** As it is, in base64, in a URL, in JSON. */
const forms = (value: string): readonly string[] => [
  value,
  Buffer.from(value).toString('base64').replace(/=+$/, ''),
  encodeURIComponent(value),
  JSON.stringify(value).slice(1, -1),
]

/** A ticket is good for an image: whoever has its URL has the image. */
const PATTERNS: Readonly<Record<string, RegExp>> = { 'image ticket': /image-tickets\/[\w.%-]{40,}/ }

/** The names of those that a text has. */
export const secretsIn = (text: string, secrets: readonly Secret[]): readonly string[] => [
  ...secrets.filter(({ value }) => forms(value).some((form) => text.includes(form))).map(({ name }) => name),
  ...Object.entries(PATTERNS).flatMap(([name, pattern]) => (pattern.test(text) ? [name] : [])),
]

/** Every log below a folder, with the line that has the secret. */
export const secretsInLogs = (folder: string, secrets: readonly Secret[]): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.log'))
    .flatMap(({ parentPath, name }) =>
      readFileSync(join(parentPath, name), 'utf8')
        .split('\n')
        .flatMap((line) => secretsIn(line, secrets).map((secret) => `${secret} in ${name}: ${line.slice(0, 300)}`)),
    )

/** What other users of the machine may read below a folder: files that let them, in folders that let them through. */
export function openFiles(folder: string): readonly string[] {
  if ((statSync(folder).mode & 0o001) === 0) return []
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return openFiles(path)
    return entry.isFile() && (statSync(path).mode & 0o004) !== 0 ? [path] : []
  })
}

interface Process {
  readonly pid: string
  readonly parent: string
  readonly commandLine: string
  readonly environment: string
}

/** All there are now, with what `ps` shows of them. */
export const processes = (): readonly Process[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const read = (name: string): string => readFileSync(`/proc/${pid}/${name}`, 'utf8').replaceAll('\0', ' ')
      try {
        const stat = read('stat')
        const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? ''
        return [{ pid, parent, commandLine: read('cmdline'), environment: read('environ') }]
      } catch {
        return []
      }
    })

/** Of this process and those below it. */
export function ourProcesses(): readonly Process[] {
  const all = processes()
  const ours = new Set([String(process.pid)])
  for (let size = 0; size !== ours.size;) {
    size = ours.size
    for (const { pid, parent } of all) if (ours.has(parent)) ours.add(pid)
  }
  return all.filter(({ pid }) => ours.has(pid))
}
