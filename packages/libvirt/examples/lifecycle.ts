/** Boots a domain, listens to it, talks with its console. Usage: lifecycle.ts SOCKET DOMAIN.xml [URI] */
import { readFile } from 'node:fs/promises'
import { connect } from '@kilonova/libvirt/client.ts'
import { DomainEventType, DomainState } from '@kilonova/libvirt/constants.gen.ts'
import { isLibvirtError } from '@kilonova/libvirt/errors.ts'

const [socket = '/run/libvirt/libvirt-sock', file = 'domain.xml', uri = 'qemu:///system'] = process.argv.slice(2)
const xml = await readFile(file, 'utf8')

const libvirt = await connect({ path: socket }, { uri })
libvirt.on('close', (reason) => console.log('connection over:', reason.message))

const stopped = Promise.withResolvers<void>()
const subscription = await libvirt.onDomainEvent('lifecycle', ({ dom, event }) => {
  if (event !== DomainEventType.STOPPED) return
  console.log(dom.name, 'stopped')
  stopped.resolve()
})

const domain = await libvirt.domainDefineXMLFlags(xml)
await libvirt.domainCreateWithFlags(domain)
const { state } = await libvirt.domainGetState(domain)
console.log(domain.name, state === DomainState.RUNNING ? 'runs' : `is in state ${state}`)

try {
  await libvirt.domainLookupByName('nobody')
} catch (error) {
  if (!isLibvirtError(error, 'NO_DOMAIN')) throw error
  console.log('nobody is not there')
}

const { stream } = await libvirt.openStream('domainOpenConsole', { dom: domain })
stream.write('hello\n')
for await (const bytes of stream) {
  console.log('console:', String(bytes).trim())
  break // leaving the loop aborts the stream
}

await libvirt.domainDestroyFlags(domain)
await stopped.promise
await libvirt.domainUndefineFlags(domain)
await subscription.close()
await libvirt.close()
