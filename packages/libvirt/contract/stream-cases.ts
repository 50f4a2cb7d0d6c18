/** The contract of streams: volumes up and down, a screenshot or console, finish and abort. */
import assert from 'node:assert/strict'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { finished, pipeline } from 'node:stream/promises'
import { type TestContext, test } from 'node:test'
import type { Client } from '../src/client.ts'
import { ConnectionLostError, isLibvirtError } from '../src/errors.ts'
import type { StorageVol } from '../src/protocol-types.gen.ts'
import { connected, defined } from './cases.ts'
import type { ContractTarget } from './target.ts'

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Where what came first differs from what was sent, in words. */
function differenceOf(came: Buffer, sent: Buffer): string | undefined {
  if (came.equals(sent)) return undefined
  const at = came.findIndex((byte, index) => byte !== sent[index])
  const from = at < 0 ? came.length : at
  return `${came.length} of ${sent.length} bytes, differing from ${from}: ${came.subarray(from, from + 16).toString('hex')}`
}

/** A raw volume of this many bytes, in a directory pool of its own. */
async function volume(t: TestContext, client: Client, target: ContractTarget, bytes: number): Promise<StorageVol> {
  const name = `contract-${randomUUID().slice(0, 8)}`
  const directory = await target.poolDirectory(t)
  const pool = await client.storagePoolCreateXML(
    `<pool type='dir'><name>${name}</name><target><path>${directory}</path></target></pool>`,
  )
  const vol = await client.storageVolCreateXML(
    pool,
    `<volume><name>vol</name><capacity unit='bytes'>${bytes}</capacity><target><format type='raw'/></target></volume>`,
  )
  t.after(async () => {
    const cleaner = await target.connect()
    await cleaner.storageVolDelete(vol)
    await cleaner.storagePoolDestroy(pool)
    await cleaner.close()
  })
  return vol
}

const whole = (vol: StorageVol): { vol: StorageVol; offset: number; length: number } => ({ vol, offset: 0, length: 0 })

export function streamCases(target: ContractTarget): void {
  const it = (name: string, run: (t: TestContext) => Promise<void>): void =>
    void test(`${target.name}: ${name}`, { timeout: 60_000 }, run)

  it('sends a volume and gets it back, with other calls in between', async (t) => {
    const client = await connected(t, target)
    const bytes = randomBytes(3_000_001)
    const vol = await volume(t, client, target, bytes.length)
    const up = await client.openStream('storageVolUpload', whole(vol))
    const sent = pipeline([bytes], up.stream)
    assert.notEqual(await client.connectGetHostname(), '')
    await sent
    const down = await client.openStream('storageVolDownload', whole(vol))
    const [received, hostname] = await Promise.all([buffer(down.stream), client.connectGetHostname()])
    assert.equal(sha(received), sha(bytes))
    assert.notEqual(hostname, '')
    await finished(down.stream)
  })

  it('lets a slow reader take its time without keeping much, and lives', async (t) => {
    const client = await target.connect({ streamBufferBytes: 256 << 10, keepalive: { intervalMs: 20, count: 2 } })
    t.after(() => client.close())
    const bytes = randomBytes(6_000_000)
    const vol = await volume(t, client, target, bytes.length)
    const up = await client.openStream('storageVolUpload', whole(vol))
    await pipeline([bytes], up.stream)
    const { stream } = await client.openStream('storageVolDownload', whole(vol))
    const received: Buffer[] = []
    let count = 0
    for await (const piece of stream as AsyncIterable<Buffer>) {
      assert(stream.readableLength < 1_000_000, `keeps ${stream.readableLength} bytes`)
      if (count++ % 8 === 0)
        await new Promise((resolve) => {
          setTimeout(resolve, 50)
        })
      received.push(piece)
    }
    assert.equal(differenceOf(Buffer.concat(received), bytes), undefined)
    assert.equal(client.closed, undefined)
  })

  it('aborts a download and goes on', async (t) => {
    const client = await connected(t, target)
    const vol = await volume(t, client, target, 8_000_000)
    const { stream } = await client.openStream('storageVolDownload', whole(vol))
    await new Promise((resolve) => stream.once('readable', resolve))
    const closed = new Promise((resolve) => stream.once('close', resolve))
    stream.destroy()
    await closed
    assert.notEqual(await client.connectGetHostname(), '')
    const again = await client.openStream('storageVolDownload', { vol, offset: 0, length: 1000 })
    assert.equal((await buffer(again.stream)).length, 1000)
  })

  it('aborts an upload and goes on', async (t) => {
    const client = await connected(t, target)
    const vol = await volume(t, client, target, 1_000_000)
    const { stream } = await client.openStream('storageVolUpload', whole(vol))
    await new Promise((resolve) => stream.write(randomBytes(1000), resolve))
    stream.destroy()
    assert.notEqual(await client.connectGetHostname(), '')
  })

  it('tells when the daemon ends a stream with an error', async (t) => {
    const client = await connected(t, target)
    const vol = await volume(t, client, target, 1000)
    const { stream } = await client.openStream('storageVolUpload', { vol, offset: 0, length: 1000 })
    await assert.rejects(pipeline([randomBytes(400_000)], stream), (error) => isLibvirtError(error))
    assert.notEqual(await client.connectGetHostname(), '')
  })

  it('refuses a stream where the call fails', async (t) => {
    const client = await connected(t, target)
    const domain = await defined(t, client, target)
    await assert.rejects(client.openStream('domainScreenshot', { dom: domain, screen: 0 }), (error) =>
      isLibvirtError(error, 'OPERATION_INVALID'),
    )
  })

  it('ends a stream when the connection is lost', async (t) => {
    const client = await connected(t, target)
    const vol = await volume(t, client, target, 30_000_000)
    const { stream } = await client.openStream('storageVolDownload', whole(vol))
    client.destroy()
    await assert.rejects(buffer(stream), ConnectionLostError)
  })
}
