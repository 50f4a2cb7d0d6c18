import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nicsIn } from './guest-nics.ts'

const nic = (mac: string, address: string) => `
    <interface type='ethernet'>
      <mac address='${mac}'/>
      <target dev='tap1' managed='no'/>
      <alias name='net0'/>${address}
    </interface>`
const pci = (bus: string, slot: string, more = '') =>
  `<address type='pci' domain='0x0000' bus='${bus}' slot='${slot}' function='0x0'${more}/>`

test('each card is told with its place on the PCI bus, other devices are not', () => {
  const xml = `<domain><devices>
    <disk type='file' device='disk'>${pci('0x04', '0x00')}</disk>${nic('FA:16:3E:00:00:01', pci('0x01', '0x00'))}
    ${nic('fa:16:3e:00:00:02', pci('0x00', '0x1f', " multifunction='on'"))}${nic('fa:16:3e:00:00:03', '')}
    <video>${pci('0x00', '0x01')}</video></devices></domain>`
  assert.deepEqual(nicsIn(xml), [
    { mac: 'fa:16:3e:00:00:01', bus: 'pci', address: '0000:01:00.0' },
    { mac: 'fa:16:3e:00:00:02', bus: 'pci', address: '0000:00:1f.0' },
  ])
  assert.deepEqual(nicsIn('<domain/>'), [])
})
