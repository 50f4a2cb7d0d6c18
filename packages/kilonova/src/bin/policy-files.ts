/**
 * The operator's policy files: `policy.yaml`, and over it the files of `policy.d` in the order of their names. They are read again when they change,
 * looked at once a second at most; when what they say then is wrong, what they said before stays, and the log says why.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '@kilonova/base/clock.ts'
import { ConfigError } from '@kilonova/base/config.ts'
import type { Log } from '@kilonova/base/log.ts'
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml'
import { rulesIn } from '../policy/language.ts'
import { defaultRules, parseAll, policy, PolicyError, type Policy, type PolicyOptions } from '../policy/policy.ts'

export interface PolicyPlaces extends PolicyOptions {
  /** Absolute. */
  readonly file: string
  /** Whether the file must be there. */
  readonly required: boolean
  /** Absolute; those that are not there do not count. */
  readonly dirs: readonly string[]
}
export interface PolicyFiles extends PolicyPlaces {
  readonly clock: Clock
  readonly log: Log
}

interface Written {
  readonly text: string
  /** `policy.yaml, line 3`. */
  readonly place: string
}

const LOOK_AGAIN_MS = 1_000
const MAX_TOLD = 20

/** Errors: ConfigError that names file, line and rule. */
export function policyOfFiles(files: PolicyFiles): Policy {
  const { clock, log } = files
  const read = (): Policy => {
    const { made, unknown } = load(files)
    if (unknown.length > 0)
      log.warn('policy files name rules that nothing asks for', {
        rules: unknown.slice(0, MAX_TOLD).map(({ rule, place }) => `${rule} (${place})`),
        count: unknown.length,
      })
    return made
  }
  let seen = look(files)
  let lookedAt = clock.now()
  let current = read()
  const now = (): Policy => {
    if (Math.abs(clock.now() - lookedAt) < LOOK_AGAIN_MS) return current
    lookedAt = clock.now()
    const looks = look(files)
    if (looks === seen) return current
    seen = looks
    try {
      current = read()
      log.info('policy files read again', {})
    } catch (error) {
      log.error('policy files are wrong: what they said before stays', { error })
    }
    return current
  }
  return { allows: (...asked) => now().allows(...asked), check: (...asked) => now().check(...asked) }
}

const filesOf = ({ file, dirs }: PolicyPlaces): readonly string[] => [
  ...(existsSync(file) ? [file] : []),
  ...dirs
    .filter((dir) => existsSync(dir))
    .flatMap((dir) =>
      readdirSync(dir)
        .filter((name) => /\.(ya?ml|json)$/.test(name))
        .toSorted()
        .map((name) => join(dir, name)),
    ),
]

/** Differs when a file may have changed. */
function look(files: PolicyPlaces): string {
  try {
    return filesOf(files)
      .map((path) => {
        const { ino, size, mtimeMs } = statSync(path)
        return `${path} ${ino} ${size} ${mtimeMs}`
      })
      .join('\n')
  } catch (error) {
    return String(error)
  }
}

function load(files: PolicyPlaces): {
  readonly made: Policy
  readonly unknown: readonly { readonly rule: string; readonly place: string }[]
} {
  if (files.required && !existsSync(files.file))
    throw new ConfigError(`[oslo_policy] policy_file: ${files.file} is not there`)
  const written = new Map<string, Written>(filesOf(files).flatMap((path) => [...rulesOf(path)]))
  const overrides = Object.fromEntries([...written].map(([name, { text }]) => [name, text]))
  try {
    const defaults = defaultRules(files)
    const used = new Set([...parseAll({ ...defaults, ...overrides }).values()].flatMap(rulesIn))
    return {
      made: policy(overrides, files),
      unknown: [...written]
        .filter(([name]) => !Object.hasOwn(defaults, name) && !used.has(name))
        .map(([rule, { place }]) => ({ rule, place })),
    }
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
    const place = written.get(error.rule)?.place ?? files.file
    throw new ConfigError(`${place}: rule "${error.rule}" is wrong: ${error.message}`, { cause: error })
  }
}

function rulesOf(path: string): ReadonlyMap<string, Written> {
  const lines = new LineCounter()
  const document = parseDocument(readFileSync(path, 'utf8'), {
    lineCounter: lines,
    prettyErrors: false,
    schema: 'core',
  })
  const place = (offset: number | undefined): string => `${path}, line ${lines.linePos(offset ?? 0).line}`
  const [problem] = document.errors
  if (problem) throw new ConfigError(`${place(problem.pos[0])}: this is no YAML: ${problem.message}`)
  const { contents } = document
  if (contents === null || (isScalar(contents) && contents.value === null)) return new Map()
  if (!isMap(contents)) throw new ConfigError(`${place(contents.range?.[0])}: expected lines of "rule": "who may"`)
  return new Map(
    contents.items.map(({ key, value }) => {
      if (!isScalar(key)) throw new ConfigError(`${place(contents.range?.[0])}: a rule's name must be a text`)
      const at = place(key.range?.[0])
      const name = String(key.value)
      if (!isScalar(value) || typeof value.value !== 'string')
        throw new ConfigError(`${at}: rule "${name}" is wrong: what stands behind it must be a text; "" is anybody`)
      return [name, { text: value.value, place: at }] as const
    }),
  )
}
