/** `npm run bench -- NAME [--json]`. */
import { parseArgs } from 'node:util'
import { apiFigures } from './api.ts'
import { consolesFigures } from './consoles.ts'
import { print } from './figures.ts'
import { imageFigures } from './image.ts'
import { listsFigures } from './lists.ts'
import { realFigures } from './real.ts'
import { rulesFigures } from './rules.ts'

const BENCHES = {
  api: apiFigures,
  consoles: consolesFigures,
  image: imageFigures,
  lists: listsFigures,
  real: realFigures,
  rules: rulesFigures,
} as const

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false } },
})
const [name = 'api'] = positionals
if (!(name in BENCHES)) {
  console.error(`no bench called ${name}; there are: ${Object.keys(BENCHES).join(', ')}`)
  process.exitCode = 2
} else print(await BENCHES[name as keyof typeof BENCHES](), values.json)
