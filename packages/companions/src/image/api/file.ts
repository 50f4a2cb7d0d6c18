/** `/v2/images/{id}/file` and `/stage`: the bytes, streamed in and out, whole or a range. An upload that fails leaves the image queued and no byte. */
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { privileged } from '../../openstack/caller.ts'
import { Fault, forbidden } from '../../openstack/fault.ts'
import { withCaller } from '../../openstack/token-check.ts'
import { changeableImage, unstage, visibleImage, type ImageContext } from '../context.ts'
import type { Image } from '../store/images.ts'
import { begin, finish, mustHaveFormats, receive } from '../upload.ts'

/** A sender that is silent for so long is cut. */
const IDLE_MS = 60_000
/** So much of a refused upload is still read, so that its sender gets to see the answer. */
const MAX_DRAINED_BYTES = 1024 * 1024 * 1024
export function fileRoutes(app: FastifyInstance, ctx: ImageContext): void {
  app.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload))

  app.put(
    '/v2/images/:id/file',
    withCaller(ctx.check, (caller, request, reply) =>
      sentBytes(request, reply, async (stream) => {
        const { id } = request.params as { id: string }
        const image = await changeableImage(ctx, caller, id)
        mustHaveFormats(image)
        const uploadId = await begin(ctx.database.kysely, image, { to: 'saving', now: ctx.clock.now() })
        await finish(ctx, image, uploadId, await receive(ctx, image, uploadId, stream))
      }),
    ),
  )

  app.put(
    '/v2/images/:id/stage',
    withCaller(ctx.check, (caller, request, reply) =>
      sentBytes(request, reply, async (stream) => {
        const { id } = request.params as { id: string }
        const image = await changeableImage(ctx, caller, id)
        mustHaveFormats(image)
        const uploadId = await begin(ctx.database.kysely, image, { to: 'uploading', now: ctx.clock.now() })
        const received = await receive(ctx, image, uploadId, stream)
        ctx.staged.set(id, { owner: image.owner, received })
        // Deleted meanwhile: nobody will come for the bytes.
        if (!(await visibleImage(ctx, caller, id).catch(() => undefined))) await unstage(ctx, id)
      }),
    ),
  )

  app.get(
    '/v2/images/:id/file',
    { exposeHeadRoute: false },
    withCaller(ctx.check, async (caller, request, reply) => {
      const { id } = request.params as { id: string }
      const image = await visibleImage(ctx, caller, id)
      if (image.status === 'deactivated' && !privileged(caller))
        throw forbidden('The requested image has been deactivated. Image data download is forbidden.')
      if (image.os_hash_value === null || image.size === null) return reply.code(204).send()
      return sendContent(ctx, image, image.os_hash_value, image.size, request.headers.range, reply)
    }),
  )
}

/** Gives the body of a request to `take`; what is left of it after a refusal is read, so that the sender gets to see the answer. */
async function sentBytes(
  request: FastifyRequest,
  reply: FastifyReply,
  take: (stream: Readable) => Promise<void>,
): Promise<FastifyReply> {
  const stream = request.body instanceof Readable ? request.body : undefined
  try {
    if (!stream) throw new Fault(415, 'Send the data as application/octet-stream.')
    request.raw.setTimeout(IDLE_MS, () => request.raw.destroy(new Error('the sender was silent for too long')))
    await take(stream)
    return await reply.code(204).send()
  } catch (error) {
    if (stream && !stream.readableEnded && !stream.destroyed && !(await drained(stream)))
      void reply.header('connection', 'close')
    throw error
  }
}

async function drained(stream: Readable): Promise<boolean> {
  let bytes = 0
  try {
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
      bytes += (chunk as Buffer).length
      if (bytes > MAX_DRAINED_BYTES) return false
    }
    return true
  } catch {
    return false
  }
}

async function sendContent(
  { content }: ImageContext,
  image: Image,
  hash: string,
  size: number,
  rangeHeader: string | undefined,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const range = parseRange(rangeHeader, size)
  if (range === 'unsatisfiable')
    return reply.code(416).header('content-range', `bytes */${size}`).send({
      message: 'The range cannot be satisfied.',
      code: '416 Range Not Satisfiable',
      title: 'Range Not Satisfiable',
    })
  const file = await content.read(hash)
  void reply.headers({ 'content-type': 'application/octet-stream', 'accept-ranges': 'bytes', etag: `"${hash}"` })
  if (range)
    void reply.code(206).headers({
      'content-range': `bytes ${range.start}-${range.end}/${size}`,
      'content-length': range.end - range.start + 1,
    })
  else void reply.headers({ 'content-length': size, 'content-md5': image.checksum ?? '' })
  return reply.send(file.createReadStream({ ...range, highWaterMark: 256 * 1024 }))
}

/** One range of bytes; more than one, or what is no range, is answered with everything as RFC 9110 allows. */
export function parseRange(
  header: string | undefined,
  size: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return undefined
  const [, first = '', final = ''] = match
  if (first === '')
    return Number(final) === 0 || size === 0
      ? 'unsatisfiable'
      : { start: Math.max(0, size - Number(final)), end: size - 1 }
  const start = Number(first)
  const end = final === '' ? size - 1 : Math.min(Number(final), size - 1)
  if (final !== '' && Number(final) < start) return undefined
  return start >= size ? 'unsatisfiable' : { start, end }
}
