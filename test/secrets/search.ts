/** Looks for secrets in what others may read: logs, command lines, environments, answers. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Secret {
  readonly name: string
  readonly value: string
}

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

/** Every file below a folder, with the line that has the secret. */
export const secretsInFiles = (folder: string, secrets: readonly Secret[]): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap(({ parentPath, name }) =>
      readFileSync(join(parentPath, name), 'utf8')
        .split('\n')
        .flatMap((line) => secretsIn(line, secrets).map((secret) => `${secret} in ${name}: ${line.slice(0, 300)}`)),
    )

/** This process and those below it: what `ps` shows of them. */
export function commandLines(): readonly string[] {
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
        const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? ''
        return [{ pid, parent, line: readFileSync(`/proc/${pid}/cmdline`, 'utf8') }]
      } catch {
        return []
      }
    })
  const ours = new Set([String(process.pid)])
  for (let size = 0; size !== ours.size;) {
    size = ours.size
    for (const { pid, parent } of processes) if (ours.has(parent)) ours.add(pid)
  }
  return processes.filter(({ pid }) => ours.has(pid)).map(({ line }) => line.replaceAll('\0', ' '))
}
