/** `npm start`: a whole cloud in one process. */
import { run } from './run.ts'

process.exitCode = await run(process.argv.slice(2), process.env)
