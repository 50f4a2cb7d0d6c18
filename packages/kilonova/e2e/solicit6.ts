// Runs in a guest's namespace: asks for an address of version 6 (RFC 8415: a Solicit) and prints the one it is offered.
import { createSocket } from 'node:dgram'

const [link = '', mac = ''] = process.argv.slice(2)
const option = (code: number, body: Buffer): Buffer => {
  const head = Buffer.alloc(4)
  head.writeUInt16BE(code, 0)
  head.writeUInt16BE(body.length, 2)
  return Buffer.concat([head, body])
}
const CLIENT_ID = 1
const IA_NA = 3
const IA_ADDRESS = 5
const duid = Buffer.concat([Buffer.from([0, 3, 0, 1]), Buffer.from(mac.replaceAll(':', ''), 'hex')])
const solicit = Buffer.concat([
  Buffer.from([1, 0x12, 0x34, 0x56]),
  option(CLIENT_ID, duid),
  option(IA_NA, Buffer.alloc(12)),
])

/** The body of the first option of that code. */
function find(options: Buffer, code: number): Buffer | undefined {
  for (let at = 0; at + 4 <= options.length; at += 4 + options.readUInt16BE(at + 2))
    if (options.readUInt16BE(at) === code) return options.subarray(at + 4, at + 4 + options.readUInt16BE(at + 2))
  return undefined
}

const socket = createSocket('udp6')
socket.on('message', (answer) => {
  const address = find(find(answer.subarray(4), IA_NA)?.subarray(12) ?? Buffer.alloc(0), IA_ADDRESS)?.subarray(0, 16)
  console.log(address ? `offered ${address.toString('hex')}` : 'offered nothing')
  process.exit()
})
socket.bind(546, () => {
  const send = () => socket.send(solicit, 547, `ff02::1:2%${link}`)
  send()
  setInterval(send, 500)
})
setTimeout(() => process.exit(1), 3000)
