/** The fake's streams: a console that echoes, a screenshot, volumes to fill and read. */
import { ErrorNumber as ERR } from '../constants.gen.ts'
import { fail } from './fail.ts'
import type { Handlers, Serving } from './handlers.ts'

const nameOf = (xml: string): string =>
  /<name>([^<]+)<\/name>/.exec(xml)?.[1] ?? fail(ERR.XML_ERROR, 'XML error: missing name')

function volume({ hypervisor }: Serving, key: string): Buffer {
  return (
    hypervisor.volumes.get(key) ??
    fail(ERR.NO_STORAGE_VOL, `Storage volume not found: no storage vol with matching key '${key}'`)
  )
}

/** The length argument of up- and downloads: 0 is "all there is". */
const until = (offset: number, length: number, size: number): number =>
  length === 0 ? size : Math.min(size, offset + length)

export const streamHandlers: Handlers = {
  domainOpenConsole({ dom }, serving) {
    serving.hypervisor.needActive(serving.hypervisor.find({ uuid: dom.uuid }))
    const stream = serving.stream()
    stream.onData((bytes) => stream.write(bytes))
    stream.write(Buffer.from('R'))
    serving.endWith(dom, stream)
  },
  domainScreenshot({ dom }, serving) {
    serving.hypervisor.needActive(serving.hypervisor.find({ uuid: dom.uuid }))
    const stream = serving.stream()
    stream.write(Buffer.from('89504e470d0a1a0a', 'hex'))
    stream.eof()
    return { mime: 'image/png' }
  },
  storagePoolCreateXML({ xml }, { hypervisor }) {
    const name = nameOf(xml)
    const uuid = '00000000-0000-4000-8000-0000000000aa'
    hypervisor.pools.set(name, uuid)
    return { pool: { name, uuid } }
  },
  storagePoolDestroy({ pool }, { hypervisor }) {
    if (!hypervisor.pools.delete(pool.name)) fail(ERR.NO_STORAGE_POOL, `Storage pool not found: ${pool.name}`)
  },
  storageVolCreateXML({ pool, xml }, { hypervisor }) {
    const name = nameOf(xml)
    const key = `/${pool.name}/${name}`
    const capacity = Number(/<capacity[^>]*>(\d+)</.exec(xml)?.[1] ?? 0)
    hypervisor.volumes.set(key, Buffer.alloc(capacity))
    return { vol: { pool: pool.name, name, key } }
  },
  storageVolDelete({ vol }, serving) {
    volume(serving, vol.key)
    serving.hypervisor.volumes.delete(vol.key)
  },
  storageVolUpload({ vol, offset, length }, serving) {
    const bytes = volume(serving, vol.key)
    let at = Number(offset)
    const end = until(at, Number(length), bytes.length)
    const stream = serving.stream()
    stream.onData((piece) => {
      if (at + piece.length > end) return stream.fail(ERR.OPERATION_FAILED, 'cannot write past the end of the stream')
      bytes.set(piece, at)
      at += piece.length
    })
  },
  storageVolDownload({ vol, offset, length }, serving) {
    const bytes = volume(serving, vol.key)
    const stream = serving.stream()
    stream.write(bytes.subarray(Number(offset), until(Number(offset), Number(length), bytes.length)))
    stream.eof()
  },
}
