import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { ConfigError, loadConfig, parseIni } from './config.ts'

const SECTIONS = {
  DEFAULT: z.strictObject({
    debug: z.boolean().default(false),
    workers: z.int().min(1).default(2),
    ratio: z.number().default(4),
    name: z.string().optional(),
  }),
  api: z.strictObject({ filters: z.array(z.string()).default(['a']), mode: z.enum(['fast', 'safe']).default('safe') }),
}
const load = (text: string, overrides = {}) => loadConfig(SECTIONS, text, overrides, 'cloud.conf')
const refused = (text: string, message: RegExp) =>
  assert.throws(
    () => load(text),
    (error: Error) => error instanceof ConfigError && message.test(error.message),
  )

test('an empty text gives the defaults', () => {
  assert.deepEqual(load(''), { DEFAULT: { debug: false, workers: 2, ratio: 4 }, api: { filters: ['a'], mode: 'safe' } })
})

test('text becomes what the option is: numbers, booleans, lists over several lines', () => {
  const config = load(
    '# a comment\n[DEFAULT]\ndebug = yes\nworkers=8\nratio: 1.5\nname = two words\n\n[api]\n; another\nfilters = x, y,\n  z\n',
  )
  assert.deepEqual(config, {
    DEFAULT: { debug: true, workers: 8, ratio: 1.5, name: 'two words' },
    api: { filters: ['x', 'y', 'z'], mode: 'safe' },
  })
})

test('what is given otherwise wins over the text', () => {
  assert.equal(load('[DEFAULT]\nworkers = 8', { DEFAULT: { workers: 3 } }).DEFAULT.workers, 3)
})

test('an error names file, section and option', () => {
  refused('[DEFAULT]\nworkers = many', /cloud\.conf: \[DEFAULT\] workers: /)
  refused('[DEFAULT]\nworkers = 0', /workers/)
  refused('[DEFAULT]\ndebug = perhaps', /debug/)
  refused('[DEFAULT]\nworker = 2', /unknown option worker in \[DEFAULT\]/)
  refused('[apo]\nmode = fast', /unknown section \[apo\]/)
  refused('[api]\nmode = quick', /\[api\] mode/)
  refused('[api]\nnonsense', /cloud\.conf, line 2/)
})

test('names that every object has are no sections or options', () => {
  refused('[DEFAULT]\nconstructor = x', /unknown option/)
  refused('[toString]\nx = y', /unknown section/)
  assert.deepEqual(Object.keys(parseIni('[__proto__]\na = b')), ['__proto__'])
})
