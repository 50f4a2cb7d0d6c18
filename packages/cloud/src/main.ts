/** `npm start`: a whole cloud in one process. Compiled code is kept between starts; everything else is in run.ts. */
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

enableCompileCache(join(import.meta.dirname, '../../../node_modules/.cache/compile'))
const { run } = await import('./run.ts')
process.exitCode = await run(process.argv.slice(2), process.env)
