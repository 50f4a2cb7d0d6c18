/** Runs inside a network's namespace for a moment: listens on the metadata address, hands the socket to its parent and ends, at the latest with it. */
import { createServer } from 'node:net'
import { METADATA_ADDRESS } from './layout.ts'

const GIVES_UP_MS = 10_000
const TRIES_AGAIN_MS = 50

const parent = process.send?.bind(process)
if (!parent) throw new Error('this is started by the metadata listener alone')
process.once('disconnect', () => process.exit())
process.channel?.ref()

const server = createServer()
server.on('error', (error: NodeJS.ErrnoException) => {
  // Our predecessor's helper, if it was killed, is about to end.
  if (error.code === 'EADDRINUSE' && process.uptime() * 1000 < GIVES_UP_MS) setTimeout(listen, TRIES_AGAIN_MS)
  else parent({ error: error.message })
})
const listen = () => server.listen({ host: METADATA_ADDRESS, port: 80, backlog: 128 })
server.on('listening', () => parent({ listening: true }, server))
listen()
