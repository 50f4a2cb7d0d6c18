/** The log: a constant phrase and facts as fields. One line per event, for people or (by option) JSON for machines. */
import { mkdirSync, openSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { pino, destination, type Level } from 'pino'

export type Facts = Readonly<Record<string, unknown>>
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface Log {
  debug(phrase: string, facts?: Facts): void
  info(phrase: string, facts?: Facts): void
  warn(phrase: string, facts?: Facts): void
  error(phrase: string, facts?: Facts): void
  /** The same log with facts added to every line, for example `{ requestId, user, project }` or `{ server, task }`. */
  with(facts: Facts): Log
  /** The same log speaking for another source file: `log.in(import.meta)`. It sets the module and the source location. */
  in(meta: { readonly filename: string }): Log
}

export interface LogOptions {
  readonly level: LogLevel
  readonly json: boolean
  /** File to append to; without it lines go to stderr. */
  readonly file?: string
}

export interface RootLog extends Log {
  /** Opens the file anew, after a log rotation (SIGHUP). */
  reopen(): void
  flush(): void
}

const ROOT = resolve(import.meta.dirname, '../../..')
const LEAD = new Set(['level', 'time', 'module', 'requestId', 'user', 'project', 'msg', 'at'])

/** What somebody sent must not end a line, nor steer the terminal of who reads it. */
const CONTROL = /[\p{Cc}\u2028\u2029]/gu
const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** `<time> <level> <module> [<request id> <user> <project>] <message> <facts> <source location>`. */
export function asText(line: string): string {
  const entry = JSON.parse(line) as Record<string, unknown>
  const who = [entry['requestId'], entry['user'], entry['project']].map((part) => part ?? '-').join(' ')
  const facts = Object.entries(entry)
    .filter(([name]) => !LEAD.has(name))
    .map(
      ([name, value]) =>
        ` ${name}=${typeof value === 'string' && !/[\s"=]/.test(value) ? value : JSON.stringify(value)}`,
    )
    .join('')
  const level = String(entry['level']).toUpperCase()
  const text = `${entry['time']} ${level} ${entry['module'] ?? '-'} [${who}] ${entry['msg']}${facts} ${entry['at'] ?? '-'}`
  return `${text.replace(CONTROL, escaped)}\n`
}

/** Errors keep their message and their causes' messages; the stack is left out unless the level is debug. */
const plain =
  (debug: boolean) =>
  (facts: Facts): Facts => {
    const error = facts['error']
    if (!(error instanceof Error)) return facts
    const causes: string[] = []
    for (let e: unknown = error; e instanceof Error && causes.length < 5; e = e.cause) causes.push(e.message)
    return { ...facts, error: causes.join(' < '), ...(debug ? { stack: error.stack } : {}) }
  }

/** A file is written while we go on; only a kill of the process may lose the last few lines. */
function openSink(file: string | undefined) {
  if (file === undefined) return destination({ fd: 2, sync: true })
  mkdirSync(dirname(file), { recursive: true, mode: 0o750 })
  const sink = destination({ fd: openSync(file, 'a', 0o640), sync: false })
  // A full disk must not end the daemon that would tell of it.
  sink.on('error', () => undefined)
  return sink
}

export function openLog(options: LogOptions): RootLog {
  let sink = openSink(options.file)
  const { json } = options
  const stream = { write: (line: string) => void sink.write(json ? line : asText(line)) }
  const root = pino(
    {
      level: options.level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  )
  const tidy = plain(options.level === 'debug')
  const wrap = (logger: typeof root): Log => {
    const at = (level: Level) => (phrase: string, facts?: Facts) =>
      facts ? logger[level](tidy(facts), phrase) : logger[level](phrase)
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      with: (facts) => wrap(logger.child(tidy(facts))),
      in: ({ filename }) => {
        const path = relative(ROOT, filename)
        return wrap(
          logger.child({ module: path.replace(/^packages\/|src\/|\.ts$/g, '').replaceAll('/', '.'), at: path }),
        )
      },
    }
  }
  const reopen = () => {
    const old = sink
    sink = openSink(options.file)
    old.end()
  }
  return { ...wrap(root), reopen, flush: () => sink.flushSync() }
}

/** A log that keeps nothing: for tests and tools. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silentLog,
  in: () => silentLog,
}
