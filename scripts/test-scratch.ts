// Where one test run keeps all it makes, so that the next run can remove what a killed one left: nothing but its own.
//
// A run has one short name, `kt` and four letters beyond f, so that no installation's id looks like it. It is at once
//   - the folder <tmp>/<name>; the TMPDIR of every stage lies in it, so temporary files land there by themselves;
//   - KILONOVA_TEST_PREFIX, for names that no folder can hold: network namespaces, links, nft tables start with it;
//   - the mark that processes are known by: the folder stands in their environment or on their command line.
// A daemon that shows neither registers itself by a file <folder>/pids/<pid> holding its start time; names on the host that
// cannot begin with the prefix are registered by what they do begin with, as an empty file <folder>/names/<beginning>.
// Installations are found by the command lines of their guests and DHCP servers; <folder>/installations/<id> registers one.
import { randomInt } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeFromHost } from './host-leftovers.ts'
import { commandLineOf, killAll, processesMarked, startTimeOf } from './processes.ts'

export type Scratch = { readonly folder: string; readonly environment: Readonly<Record<string, string>> }

const RUN_NAME = /^kt[g-z]{4}$/

const INSTALLATION = /^[0-9a-f]{4,6}$/

/** Makes the scratch of a run that this process owns. Tests give a `parent` of their own. */
export function createScratch(parent = tmpdir()): Scratch {
  for (;;) {
    const name = `kt${Array.from({ length: 4 }, () => 'ghijklmnopqrstuvwxyz'[randomInt(20)]).join('')}`
    const folder = join(parent, name)
    if (existsSync(folder)) continue
    // It gets its name when it has its owner: other runs take a folder without one for dead.
    const unnamed = mkdtempSync(join(parent, 'kilonova-run-'))
    chmodSync(unnamed, 0o755)
    writeFileSync(join(unnamed, 'owner'), `${process.pid} ${startTimeOf(process.pid)}`)
    for (const part of ['pids', 'names', 'installations', 'tmp']) mkdirSync(join(unnamed, part))
    renameSync(unnamed, folder)
    const environment = { KILONOVA_TEST_SCRATCH: folder, KILONOVA_TEST_PREFIX: name, TMPDIR: join(folder, 'tmp') }
    return { folder, environment }
  }
}

/** Folders of runs whose owner is no more. */
export function deadScratches(parent = tmpdir()): readonly string[] {
  return readdirSync(parent)
    .filter((name) => RUN_NAME.test(name))
    .map((name) => join(parent, name))
    .filter((folder) => {
      const [pid, startTime] = readOr(join(folder, 'owner'), '').split(' ')
      return startTime === undefined || startTimeOf(Number(pid)) !== startTime
    })
}

/** The id stands in the path of a DHCP server's files and in the name of a domain. */
const installationsOf = (pid: number): readonly string[] =>
  [...commandLineOf(pid).matchAll(/\/run\/kilonova-([0-9a-f]+)\/|guest=kilonova-([0-9a-f]+)-/g)].flatMap(
    ([, served, guest]) => served ?? guest ?? [],
  )

/** Ends and removes everything a run made, but not its folder. Answers in words what had to be removed. */
export async function sweep(folder: string): Promise<readonly string[]> {
  const registered = () =>
    readdirOr(join(folder, 'pids'))
      .map(Number)
      .filter(
        (pid) => pid !== process.pid && startTimeOf(pid) === readOr(join(folder, 'pids', String(pid)), '-').trim(),
      )
  const ours = () => [...new Set([...processesMarked(folder), ...registered()])]
  const names = readdirOr(join(folder, 'names'))
  const installations = [
    ...ours().flatMap(installationsOf),
    ...names.map((name) => /^kn([0-9a-f]+)$/.exec(name)?.[1] ?? ''),
    ...readdirOr(join(folder, 'installations')),
  ]
  const killed = await killAll(ours)
  const beginnings = [folder.split('/').at(-1) ?? '', ...names]
  const removed = removeFromHost({
    folder,
    beginnings: beginnings.filter((name) => name.length >= 4),
    installations: [...new Set(installations)].filter((id) => INSTALLATION.test(id)),
  })
  return [...(killed > 0 ? [`${killed} processes`] : []), ...removed]
}

export async function removeScratch(folder: string): Promise<readonly string[]> {
  const removed = await sweep(folder)
  rmSync(folder, { recursive: true, force: true })
  return removed
}

function readOr(path: string, otherwise: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : otherwise
}

function readdirOr(path: string): readonly string[] {
  return existsSync(path) ? readdirSync(path) : []
}
