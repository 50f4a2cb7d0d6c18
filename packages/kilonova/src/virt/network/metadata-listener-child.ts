/** Runs inside a network's namespace for a moment: listens on the metadata address and sends the socket to its parent, which then ends it. */
import { createServer } from 'node:net'
import { METADATA_ADDRESS } from './layout.ts'

const GIVES_UP_MS = 10_000
const LOOKS_AGAIN_MS = 50

const parent = process.send?.bind(process)
if (!parent) throw new Error('this is started by the metadata listener alone')
// A parent that was killed, perhaps before we ran, cannot end us; a channel with a socket under way does not tell that it is gone.
const parentId = Number(process.argv[2])
setInterval(() => process.ppid !== parentId && process.exit(1), LOOKS_AGAIN_MS)

const server = createServer()
const listen = () => server.listen({ host: METADATA_ADDRESS, port: 80, backlog: 128 })
server.on('error', (error: NodeJS.ErrnoException) => {
  // The helper of a killed predecessor is about to end.
  if (error.code === 'EADDRINUSE' && process.uptime() * 1000 < GIVES_UP_MS) setTimeout(listen, LOOKS_AGAIN_MS)
  else parent({ error: error.message })
})
server.on('listening', () => parent({ listening: true }, server))
listen()
