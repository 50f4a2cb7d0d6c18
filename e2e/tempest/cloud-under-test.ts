// What tempest must be told of a cloud: where it is, and two images of its own, which are made here.
import { exchange } from '@kilonova/base/http/client.ts'

export interface Access {
  /** `http://127.0.0.1:5000/v3` */
  readonly authUrl: string
  readonly username: string
  readonly password: string
  readonly project: string
}
export interface CloudUnderTest extends Access {
  readonly images: readonly [string, string]
  readonly publicNetworkId: string
  readonly latestMicroversion: string
  readonly hasVolumes: boolean
}

interface Catalog {
  readonly token: {
    readonly catalog: readonly {
      readonly type: string
      readonly endpoints: readonly { readonly interface: string; readonly url: string }[]
    }[]
  }
}

/** Image properties: what tempest's guests are, for instance that they have an agent which changes passwords. */
export async function prepare(access: Access, properties: Readonly<Record<string, string>>): Promise<CloudUnderTest> {
  const domain = { id: 'default' }
  const { authUrl, username, password, project } = access
  const auth = {
    identity: { methods: ['password'], password: { user: { name: username, password, domain } } },
    scope: { project: { name: project, domain } },
  }
  const answer = await exchange({ method: 'POST', url: `${authUrl}/auth/tokens`, json: { auth } })
  const token = answer.headers['x-subject-token']
  if (answer.status !== 201 || typeof token !== 'string') throw new Error(`${authUrl} refuses ${username}`)
  const urls = new Map(
    (answer.body as Catalog).token.catalog.map(({ type, endpoints }) => [
      type,
      endpoints.find((endpoint) => endpoint.interface === 'public')?.url.replace(/\/$/, '') ?? '',
    ]),
  )
  const image = `${urls.get('image') ?? ''}/v2/images`
  const ask = async <T>(url: string): Promise<T> =>
    (await exchange({ method: 'GET', url, headers: { 'x-auth-token': token } })).body as T

  const { images } = await ask<{ images: { id: string; name: string; disk_format: string; min_ram: number }[] }>(image)
  const [like] = images.filter(({ name }) => !name.startsWith('tempest'))
  if (!like) throw new Error('the cloud has no image')
  const content = await fetch(`${image}/${like.id}/file`, { headers: { 'x-auth-token': token } }).then((file) =>
    file.blob(),
  )
  const copy = async (name: string): Promise<string> => {
    const { disk_format, min_ram } = like
    const json = { name, disk_format, min_ram, container_format: 'bare', visibility: 'public', ...properties }
    const made = await exchange({ method: 'POST', url: image, headers: { 'x-auth-token': token }, json })
    const { id } = made.body as { id: string }
    const headers = { 'x-auth-token': token, 'content-type': 'application/octet-stream' }
    const put = await fetch(`${image}/${id}/file`, { method: 'PUT', headers, body: content })
    if (put.status !== 204) throw new Error(`image ${name} was refused: ${put.status} ${await put.text()}`)
    return id
  }

  const network = `${urls.get('network') ?? ''}/v2.0/networks?router%3Aexternal=True`
  const { networks } = await ask<{ networks: { id: string }[] }>(network)
  const root = (urls.get('compute') ?? '').replace(/\/v2.*$/, '/')
  const { versions } = await ask<{ versions: { version: string }[] }>(root)
  return {
    ...access,
    images: [await copy('tempest'), await copy('tempest-alt')],
    publicNetworkId: networks[0]?.id ?? '',
    latestMicroversion: versions.map(({ version }) => version).findLast((version) => version !== '') ?? '2.1',
    hasVolumes: urls.has('volumev3') || urls.has('block-storage'),
  }
}
