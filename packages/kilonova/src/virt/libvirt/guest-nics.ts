/** Where a guest's network cards are on its buses, read from what libvirt made of our description. */
import type { GuestNic } from '../driver.ts'
import { valuesAt } from './xml-read.ts'

/** One that has no address on the PCI bus is left out. */
export const nicsIn = (domainXml: string): readonly GuestNic[] =>
  [...domainXml.matchAll(/<interface [^]*?<\/interface>/g)].flatMap(([nic]) => {
    const [address] = nic.match(/<address type=['"]pci['"][^>]*>/) ?? []
    const [mac] = valuesAt(nic, 'mac', 'address')
    if (address === undefined || mac === undefined) return []
    const part = (name: string): string => valuesAt(address, 'address', name)[0]?.replace(/^0x/, '') ?? ''
    const place = `${part('domain')}:${part('bus')}:${part('slot')}.${part('function')}`
    return [{ mac: mac.toLowerCase(), bus: 'pci' as const, address: place }]
  })
