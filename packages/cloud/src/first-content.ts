/** What a new cloud has: flavors, the image `demo`, the networks `private` and `public`. Each thing is looked for before it is made. */
import { createReadStream } from 'node:fs'
import { exchange } from '@kilonova/base/http/client.ts'
import type { Session } from './session.ts'

/** id, name, vCPUs, MB, GB: the ones people know. */
const FLAVORS = [
  ['42', 'm1.nano', 1, 192, 1],
  ['84', 'm1.micro', 1, 256, 1],
  ['1', 'm1.tiny', 1, 512, 1],
  ['2', 'm1.small', 1, 2048, 20],
  ['3', 'm1.medium', 2, 4096, 40],
  ['4', 'm1.large', 4, 8192, 80],
  ['5', 'm1.xlarge', 8, 16_384, 160],
] as const

/** Lets the host itself reach the network's guests. */
const ROUTED = 'kilonova:routed'

export interface FirstContent {
  readonly admin: Session
  readonly imageUrl: string
  readonly image: { readonly file: string; readonly minRamMb: number }
  readonly privateCidr: string
  readonly publicCidr: string
  /** The id of a project without servers: a network of one's own is what a server gets that names none. */
  readonly publicProject: string
}

export async function makeFirstContent(content: FirstContent): Promise<void> {
  const { admin, imageUrl, image, privateCidr } = content
  await flavors(admin)
  await demoImage(admin, imageUrl, image)
  await privateNetwork(admin, privateCidr)
  await publicNetwork(content)
}

async function flavors(admin: Session): Promise<void> {
  const { body } = await admin.call('compute', 'GET', '/flavors?is_public=None')
  const known = new Set((body as { flavors: { id: string }[] }).flavors.map(({ id }) => id))
  for (const [id, name, vcpus, ram, disk] of FLAVORS)
    if (!known.has(id)) await admin.call('compute', 'POST', '/flavors', { flavor: { id, name, vcpus, ram, disk } })
}

async function demoImage(admin: Session, imageUrl: string, { file, minRamMb }: FirstContent['image']): Promise<void> {
  const { body } = await admin.call('image', 'GET', '/v2/images?name=demo')
  const found = (body as { images: { id: string; status: string }[] }).images
  if (found.some(({ status }) => status === 'active')) return
  for (const { id } of found) await admin.call('image', 'DELETE', `/v2/images/${id}`)
  const made = await admin.call('image', 'POST', '/v2/images', {
    name: 'demo',
    disk_format: 'qcow2',
    container_format: 'bare',
    visibility: 'public',
    min_ram: minRamMb,
    os_distro: 'kilonova-demo',
  })
  const { id } = made.body as { id: string }
  const headers = { 'x-auth-token': admin.token, 'content-type': 'application/octet-stream' }
  const answer = await exchange({
    method: 'PUT',
    url: `${imageUrl}/v2/images/${id}/file`,
    headers,
    stream: createReadStream(file),
  })
  if (answer.status !== 204)
    throw new Error(`the demo image was refused: ${answer.status} ${JSON.stringify(answer.body)}`)
}

async function privateNetwork(admin: Session, cidr: string): Promise<void> {
  const network = await networkNamed(admin, 'private', { shared: true })
  await admin.call('network', 'PUT', `/v2.0/networks/${network.id}/tags/${encodeURIComponent(ROUTED)}`)
  await subnetOf(admin, network, { name: 'private', cidr })
}

/** Where users' routers lead to and floating IPs come from; this machine is its gateway. */
async function publicNetwork({ admin, publicCidr: cidr, publicProject: project_id }: FirstContent): Promise<void> {
  const network = await networkNamed(admin, 'public', { 'router:external': true, project_id })
  await subnetOf(admin, network, { name: 'public', cidr, enable_dhcp: false })
}

interface FoundNetwork {
  readonly id: string
  readonly subnets: readonly string[]
}

async function networkNamed(admin: Session, name: string, fields: object): Promise<FoundNetwork> {
  const { body } = await admin.call('network', 'GET', `/v2.0/networks?name=${name}`)
  const [found] = (body as { networks: FoundNetwork[] }).networks
  if (found) return found
  const made = await admin.call('network', 'POST', '/v2.0/networks', { network: { name, ...fields } })
  return (made.body as { network: FoundNetwork }).network
}

async function subnetOf(admin: Session, { id, subnets }: FoundNetwork, fields: object): Promise<void> {
  if (subnets.length > 0) return
  await admin.call('network', 'POST', '/v2.0/subnets', { subnet: { network_id: id, ip_version: 4, ...fields } })
}
