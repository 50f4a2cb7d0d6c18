/** `npm run bench -- api`: the whole cloud in one process over fake hosts, measured from outside. Each figure is the median of its rounds. */
import { setTimeout as delay } from 'node:timers/promises'
import { startCloud, type MeasuredCloud } from './cloud.ts'
import { atLeast, atMost, median, quantile, type Figure } from './figures.ts'
import { cachedValidationMs } from './token-check.ts'

const ROUNDS = 3
const CONCURRENCY = 16
const BATCH = 200
const PAGE = 1000
const ACTED_ON = 50

type Networks = 'none' | readonly { readonly uuid: string }[]

export async function apiFigures(): Promise<readonly Figure[]> {
  const ready: number[] = []
  // The first start compiles; what is installed and ran once is what is measured.
  for (let round = 0; round <= ROUNDS; round++) {
    const cloud = await startCloud(['--driver', 'fake', '--hosts', '10'])
    if (round > 0) ready.push(cloud.readySeconds)
    await cloud.stop()
  }
  const cloud = await startCloud(['--driver', 'fake', '--hosts', '50'])
  try {
    await delay(3000)
    const idle = cloud.residentMb()
    const bench = await openBench(cloud)
    const single = await bench.singles(30)
    const plain = await bench.batches('none')
    const ported = await bench.batches(bench.private)
    const acted = await bench.actions()
    const read = await bench.reads()
    return [
      { name: 'ready', value: median(ready), unit: 's', bar: atMost(2) },
      { name: 'idle resident memory', value: idle, unit: 'MB', bar: atMost(150) },
      { name: 'POST /servers alone, p50', value: median(single.post), unit: 'ms', bar: atMost(5) },
      { name: 'POST to ACTIVE, p50', value: median(single.active), unit: 'ms', bar: atMost(40) },
      {
        name: `${BATCH} servers without a port until ACTIVE`,
        value: median(plain.boots),
        unit: '/s',
        bar: atLeast(200),
      },
      { name: `${BATCH} servers with a port until ACTIVE`, value: median(ported.boots), unit: '/s', bar: atLeast(120) },
      { name: `${BATCH} servers without a port deleted`, value: median(plain.deletes), unit: '/s', bar: atLeast(200) },
      { name: `${BATCH} servers with a port deleted`, value: median(ported.deletes), unit: '/s' },
      { name: 'an action accepted, alone, p50', value: median(acted.post), unit: 'ms', bar: atMost(5) },
      {
        name: `${ACTED_ON} servers stopped and started, each`,
        value: median(acted.each),
        unit: 'ms',
        bar: atMost(10),
      },
      { name: `GET /servers/detail?limit=${PAGE}, p50`, value: median(read.detail), unit: 'ms', bar: atMost(25) },
      { name: 'event loop held up meanwhile, p99', value: read.loopDelay, unit: 'ms', bar: atMost(20) },
      { name: 'GET /servers/{id}, p50', value: median(read.show), unit: 'ms', bar: atMost(2) },
      { name: `GET /servers/{id} at concurrency ${CONCURRENCY}`, value: read.showRate, unit: '/s', bar: atLeast(1500) },
      { name: 'a token seen before, p99', value: await cachedValidationMs(), unit: 'ms', bar: atMost(0.2) },
      { name: `resident memory with ${PAGE} servers`, value: cloud.residentMb(), unit: 'MB' },
    ]
  } finally {
    await cloud.stop()
  }
}

async function openBench(cloud: MeasuredCloud) {
  const token = await cloud.login()
  const compute = `${cloud.urls.compute}/v2.1`
  const get = async <T>(url: string): Promise<{ body: T; ms: number }> => {
    const { status, body, ms } = await cloud.call('GET', url, undefined, token)
    if (status !== 200) throw new Error(`GET ${url}: ${status} ${JSON.stringify(body)}`)
    return { body: body as T, ms }
  }
  const image = (await get<{ images: { id: string }[] }>(`${cloud.urls.image}/v2/images?name=demo`)).body.images[0]?.id
  const network =
    (await get<{ networks: { id: string }[] }>(`${cloud.urls.network}/v2.0/networks?name=private`)).body.networks[0]
      ?.id ?? ''

  async function post(name: string, networks: Networks, count = 1): Promise<{ id: string; ms: number }> {
    const server = { name, flavorRef: '42', imageRef: image, networks, min_count: count, max_count: count }
    const { status, body, ms } = await cloud.call('POST', `${compute}/servers`, { server }, token)
    if (status !== 202) throw new Error(`POST /servers: ${status} ${JSON.stringify(body)}`)
    return { id: (body as { server: { id: string } }).server.id, ms }
  }
  const status = async (id: string): Promise<string> =>
    (await get<{ server: { status: string } }>(`${compute}/servers/${id}`)).body.server.status
  const list = async (query: string): Promise<readonly string[]> =>
    (await get<{ servers: { id: string }[] }>(`${compute}/servers?limit=${PAGE}&${query}`)).body.servers.map(
      ({ id }) => id,
    )

  async function until(query: string, count: number): Promise<void> {
    for (const end = performance.now() + 120_000; performance.now() < end; await delay(25)) {
      if ((await list(query)).length === count) return
      if ((await list('status=ERROR')).length > 0) throw new Error('a server ended in ERROR')
    }
    throw new Error(`never ${count} servers for ${query}`)
  }
  async function erase(ids: readonly string[]): Promise<void> {
    await parallel(ids, async (id) => void (await cloud.call('DELETE', `${compute}/servers/${id}`, undefined, token)))
    await until('', 0)
  }

  return {
    private: [{ uuid: network }] as Networks,
    singles: async (count: number) => {
      const times = { post: [] as number[], active: [] as number[] }
      for (let index = 0; index < count; index++) {
        const began = performance.now()
        const { id, ms } = await post(`single-${index}`, 'none')
        for (let now = await status(id); now !== 'ACTIVE'; now = await status(id))
          if (now === 'ERROR') throw new Error('a server ended in ERROR')
        times.active.push(performance.now() - began)
        times.post.push(ms)
        await erase([id])
      }
      return times
    },
    batches: async (networks: Networks) => {
      const rates = { boots: [] as number[], deletes: [] as number[] }
      for (let round = 0; round < ROUNDS; round++) {
        let began = performance.now()
        await parallel(
          Array.from({ length: BATCH }, (_, index) => index),
          async (index) => void (await post(`batch-${index}`, networks)),
        )
        await until('status=ACTIVE', BATCH)
        rates.boots.push(BATCH / ((performance.now() - began) / 1000))
        const ids = await list('')
        began = performance.now()
        await erase(ids)
        rates.deletes.push(BATCH / ((performance.now() - began) / 1000))
      }
      return rates
    },
    actions: async () => {
      await post('acted-on', 'none', ACTED_ON)
      await until('status=ACTIVE', ACTED_ON)
      const ids = await list('')
      const times = { post: [] as number[], each: [] as number[] }
      const act = async (id: string, action: object): Promise<number> => {
        const answer = await cloud.call('POST', `${compute}/servers/${id}/action`, action, token)
        if (answer.status !== 202) throw new Error(`${JSON.stringify(action)}: ${answer.status}`)
        return answer.ms
      }
      const all = async (action: object, ending: string): Promise<void> => {
        await parallel(ids, async (id) => void (await act(id, action)))
        await until(`status=${ending}`, ACTED_ON)
      }
      for (const id of ids) {
        times.post.push(await act(id, { 'os-stop': null }))
        while ((await status(id)) !== 'SHUTOFF') await delay(2)
      }
      await all({ 'os-start': null }, 'ACTIVE')
      for (let round = 0; round < ROUNDS; round++) {
        const began = performance.now()
        await all({ 'os-stop': null }, 'SHUTOFF')
        await all({ 'os-start': null }, 'ACTIVE')
        times.each.push((performance.now() - began) / (2 * ACTED_ON))
      }
      await erase(ids)
      return times
    },
    reads: async () => {
      for (let made = 0; made < PAGE; made += 100) await post('page', 'none', 100)
      await until('status=ACTIVE', PAGE)
      const url = `${compute}/servers/detail?limit=${PAGE}`
      await get(url)
      const detail: number[] = []
      // What another request waits for beside the list is what the list holds the event loop up.
      const waits: number[] = []
      let listing = true
      const probe = (async () => {
        while (listing) {
          waits.push((await cloud.call('GET', `${cloud.urls.compute}/healthz`)).ms)
          await delay(2)
        }
      })()
      for (let index = 0; index < 40; index++) detail.push((await cloud.raw(url, token)).ms)
      listing = false
      await probe
      const one = `${compute}/servers/${(await list(''))[0]}`
      const show: number[] = []
      for (let index = 0; index < 500; index++) show.push((await get(one)).ms)
      const began = performance.now()
      const total = 4000
      await parallel(
        Array.from({ length: total }, (_, index) => index),
        async () => void (await get(one)),
      )
      return { detail, loopDelay: quantile(waits, 0.99), show, showRate: total / ((performance.now() - began) / 1000) }
    },
  }
}

async function parallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
    }),
  )
}
