/** A process that opens connections and holds them: a third silent, a third amid the headers, a third amid the body. Tells its parent how many stand. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const [port, count] = process.argv.slice(2).map(Number) as [number, number]
const STARTS = [
  '',
  'GET /healthz HTTP/1.1\r\nhost: he',
  'POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 1000\r\n\r\n{"',
]
const AT_ONCE = 200

const sockets: Socket[] = []
for (let made = 0; made < count; made += AT_ONCE)
  await Promise.all(
    Array.from({ length: Math.min(AT_ONCE, count - made) }, async (_, index) => {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined)
      await once(socket, 'connect')
      socket.write(STARTS[index % STARTS.length] ?? '')
      sockets.push(socket)
    }),
  )
process.send?.(sockets.filter(({ destroyed }) => !destroyed).length)
setInterval(() => undefined, 60_000)
