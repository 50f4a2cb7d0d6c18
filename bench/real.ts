/** `npm run bench -- real`: what we add to libvirt. POST to a running domain, against libvirt alone defining and starting the same XML. */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from '@kilonova/libvirt/client.ts'
import { DomainState } from '@kilonova/libvirt/constants.gen.ts'
import { startCloud } from './cloud.ts'
import { atMost, median, type Figure } from './figures.ts'

const ROUNDS = 5

export async function realFigures(): Promise<readonly Figure[]> {
  const cloud = await startCloud([
    '--no-demo',
    '--private-cidr',
    '10.199.0.0/20',
    '--public-cidr',
    '10.199.16.0/20',
    '--yes',
  ])
  const libvirt = await connect({ path: join(cloud.stateDir, 'libvirt/run/libvirt-sock') })
  const ours: number[] = []
  const theirs: number[] = []
  try {
    const token = await cloud.login()
    const compute = `${cloud.urls.compute}/v2.1`
    const image = (
      (await cloud.call('GET', `${cloud.urls.image}/v2/images?name=demo`, undefined, token)).body as {
        images: { id: string }[]
      }
    ).images[0]?.id
    const network = (
      (await cloud.call('GET', `${cloud.urls.network}/v2.0/networks?name=private`, undefined, token)).body as {
        networks: { id: string }[]
      }
    ).networks[0]?.id
    const create = async (index: number): Promise<string> => {
      const server = { name: `real-${index}`, flavorRef: '42', imageRef: image, networks: [{ uuid: network }] }
      const { body } = await cloud.call('POST', `${compute}/servers`, { server }, token)
      return (body as { server: { id: string } }).server.id
    }
    const gone = async (id: string) => {
      await cloud.call('DELETE', `${compute}/servers/${id}`, undefined, token)
      while ((await cloud.call('GET', `${compute}/servers/${id}`, undefined, token)).status !== 404) await delay(20)
    }
    // The first fetches the image and makes the network; it also keeps the network there for the others.
    const first = await create(0)
    for (let index = 1; index <= ROUNDS; index++) {
      const began = performance.now()
      const id = await create(index)
      const running = await domainOf(id)
      ours.push(performance.now() - began)
      // The same XML, on the same disk and taps, by libvirt alone.
      const xml = await libvirt.domainGetXMLDesc(running, 2)
      await libvirt.domainDestroyFlags(running, 0)
      await libvirt.domainUndefineFlags(running, 0)
      const again = performance.now()
      const defined = await libvirt.domainDefineXMLFlags(xml, 0)
      await libvirt.domainCreateWithFlags(defined, 0)
      theirs.push(performance.now() - again)
      await gone(id)
    }
    await gone(first)
  } finally {
    await libvirt.close()
    await cloud.stop()
  }
  return [
    { name: 'POST to a running domain, p50', value: median(ours), unit: 'ms' },
    { name: 'libvirt alone, the same XML, p50', value: median(theirs), unit: 'ms' },
    { name: 'what we add', value: median(ours) - median(theirs), unit: 'ms', bar: atMost(500) },
  ]

  async function domainOf(id: string) {
    const uuid = id
    for (const until = performance.now() + 60_000; performance.now() < until; await delay(5)) {
      const domain = await libvirt.domainLookupByUUID(uuid).catch(() => undefined)
      if (domain && (await libvirt.domainGetState(domain, 0).catch(() => undefined))?.state === DomainState.RUNNING)
        return domain
    }
    throw new Error(`no running domain for ${id}`)
  }
}
