/** `npm run bench -- image`: an image sent to the image service of a cloud over HTTP, beside what `cp` and `sha512sum` take for the same file. */
import { execFileSync } from 'node:child_process'
import { createReadStream, fsyncSync, mkdtempSync, openSync, rmSync, writeSync, closeSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { startCloud, type MeasuredCloud } from './cloud.ts'
import { atLeast, median, type Figure } from './figures.ts'

const ROUNDS = 5
const MB = 1_000_000
const IMAGE_BYTES = 512 * 1024 ** 2

export async function imageFigures(): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-image-'))
  const file = join(folder, 'image')
  fill(file)
  const cloud = await startCloud(['--driver', 'fake', '--hosts', '1'])
  try {
    const token = await cloud.login()
    const uploads: number[] = []
    const downloads: number[] = []
    const tools: number[] = []
    const remove = (id: string) => cloud.call('DELETE', `${cloud.urls.image}/v2/images/${id}`, undefined, token)
    // Side by side, so that whatever else the machine does weighs on both.
    for (let round = 0; round < ROUNDS; round++) {
      tools.push(rate(seconds(() => copyAndSum(file, join(folder, 'copy')))))
      const { id, upload } = await sent(cloud, token, file)
      uploads.push(rate(upload))
      await remove(id)
    }
    // Afterwards: what a client leaves of a download, it would tidy away during the next upload.
    const { id } = await sent(cloud, token, file)
    for (let round = 0; round < ROUNDS; round++) downloads.push(rate(await received(cloud, token, id)))
    await remove(id)
    const own = median(uploads)
    const theirs = median(tools)
    return [
      {
        name: 'image upload to disk, with SHA-512 and MD5',
        value: own,
        unit: 'MB/s',
        bar: atLeast(Math.round(Math.min(300, 0.8 * theirs))),
      },
      { name: 'cp + sha512sum of the same file', value: theirs, unit: 'MB/s' },
      { name: 'upload / (cp + sha512sum)', value: own / theirs, unit: '' },
      { name: 'image download', value: median(downloads), unit: 'MB/s' },
    ]
  } finally {
    await cloud.stop()
    rmSync(folder, { recursive: true })
  }
}

const rate = (took: number): number => IMAGE_BYTES / MB / took

function seconds(work: () => void): number {
  const began = performance.now()
  work()
  return (performance.now() - began) / 1000
}

/** Random, so that no file system and no service can make less of it. */
function fill(file: string): void {
  const out = openSync(file, 'w')
  const block = randomBytes(16 * 1024 ** 2)
  for (let at = 0; at < IMAGE_BYTES; at += block.length) writeSync(out, block)
  // The disk would else be given it while others are measured.
  fsyncSync(out)
  closeSync(out)
}

function copyAndSum(file: string, copy: string): void {
  execFileSync('cp', [file, copy])
  execFileSync('sha512sum', [copy])
  rmSync(copy)
}

async function sent(
  cloud: MeasuredCloud,
  token: string,
  file: string,
): Promise<{ readonly id: string; readonly upload: number }> {
  const facts = { container_format: 'bare', disk_format: 'raw' }
  const { body } = await cloud.call('POST', `${cloud.urls.image}/v2/images`, facts, token)
  const { id } = body as { id: string }
  const began = performance.now()
  const headers = {
    'x-auth-token': token,
    'content-type': 'application/octet-stream',
    'content-length': String(IMAGE_BYTES),
  }
  const out = request(`${cloud.urls.image}/v2/images/${id}/file`, { method: 'PUT', headers })
  const answered = new Promise<number>((done, fail) => {
    out.on('error', fail)
    out.on('response', (answer) => done(answer.resume().statusCode ?? 0))
  })
  await pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), out)
  const status = await answered
  if (status !== 204) throw new Error(`the upload was answered ${status}`)
  return { id, upload: (performance.now() - began) / 1000 }
}

function received(cloud: MeasuredCloud, token: string, id: string): Promise<number> {
  const began = performance.now()
  return new Promise((done, fail) => {
    request(`${cloud.urls.image}/v2/images/${id}/file`, { headers: { 'x-auth-token': token } }, (answer) => {
      answer.on('error', fail)
      answer.resume().on('end', () => done((performance.now() - began) / 1000))
    })
      .on('error', fail)
      .end()
  })
}
