/** For tests: small images made byte by byte, one that is right for each format and one for each thing that is refused. */

export interface Sample {
  readonly name: string
  /** What its owner says it is. */
  readonly declared: string
  readonly bytes: Buffer
}
export interface RefusedSample extends Sample {
  readonly reason: RegExp
}

const VIRTUAL_BYTES = 4 * 1024 ** 2
const SECTOR = 512
const KB = 1024

type Change = (bytes: Buffer) => void
const changed = (bytes: Buffer, change: Change): Buffer => {
  const copy = Buffer.from(bytes)
  change(copy)
  return copy
}

/** Clusters of 4 KiB: header, refcount table, refcount block, L1 table. Nothing is allocated. */
function qcow2(): Buffer {
  const cluster = 4 * KB
  const image = Buffer.alloc(4 * cluster)
  image.write('QFI\xfb', 0, 'latin1')
  image.writeUInt32BE(3, 4)
  image.writeUInt32BE(12, 20)
  image.writeBigUInt64BE(BigInt(VIRTUAL_BYTES), 24)
  image.writeUInt32BE(2, 36)
  image.writeBigUInt64BE(BigInt(3 * cluster), 40)
  image.writeBigUInt64BE(BigInt(cluster), 48)
  image.writeUInt32BE(1, 56)
  image.writeUInt32BE(4, 96)
  image.writeUInt32BE(104, 100)
  image.writeBigUInt64BE(BigInt(2 * cluster), cluster)
  for (let index = 0; index < 4; index++) image.writeUInt16BE(1, 2 * cluster + 2 * index)
  return image
}

const DESCRIPTOR = `# Disk DescriptorFile
version=1
CID=123a3c4d
parentCID=ffffffff
createType="monolithicSparse"

# Extent description
RW ${VIRTUAL_BYTES / SECTOR} SPARSE "sample.vmdk"

# The Disk Data Base
ddb.adapterType = "ide"
`

/** Header, descriptor of 20 sectors, an empty directory of grains. */
function vmdk(descriptor = DESCRIPTOR): Buffer {
  const image = Buffer.alloc(64 * KB)
  image.write('KDMV', 0, 'latin1')
  image.writeUInt32LE(1, 4)
  image.writeUInt32LE(3, 8)
  image.writeBigUInt64LE(BigInt(VIRTUAL_BYTES / SECTOR), 12)
  image.writeBigUInt64LE(128n, 20)
  image.writeBigUInt64LE(1n, 28)
  image.writeBigUInt64LE(20n, 36)
  image.writeUInt32LE(512, 44)
  image.writeBigUInt64LE(21n, 48)
  image.writeBigUInt64LE(26n, 56)
  image.writeBigUInt64LE(128n, 64)
  image.write('\n \r\n', 73, 'latin1')
  image.write(descriptor, SECTOR, 'latin1')
  return image
}

function streamOptimized(): Buffer {
  const image = vmdk(DESCRIPTOR.replace('monolithicSparse', 'streamOptimized'))
  const footer = Buffer.alloc(3 * SECTOR)
  image.copy(footer, SECTOR, 0, SECTOR)
  image.writeBigUInt64LE(0xffff_ffff_ffff_ffffn, 56)
  return Buffer.concat([image, footer])
}

function vdi(): Buffer {
  const image = Buffer.alloc(1024 * KB)
  image.write('<<< sample >>>\n', 0, 'latin1')
  image.writeUInt32LE(0xbeda107f, 64)
  image.writeUInt32LE(0x1_0001, 68)
  image.writeUInt32LE(400, 72)
  image.writeUInt32LE(1, 76)
  image.writeUInt32LE(SECTOR, 0x154)
  image.writeUInt32LE(2 * SECTOR, 0x158)
  image.writeUInt32LE(SECTOR, 0x168)
  image.writeBigUInt64LE(BigInt(VIRTUAL_BYTES), 0x170)
  image.writeUInt32LE(1024 * KB, 0x178)
  image.writeUInt32LE(VIRTUAL_BYTES / (1024 * KB), 0x180)
  image.fill(0xff, SECTOR, SECTOR + 16)
  return image
}

/** The complement of the sum of the bytes. */
function seal(part: Buffer, at: number): Buffer {
  part.writeUInt32BE(0, at)
  let sum = 0
  for (const byte of part) sum += byte
  part.writeUInt32BE(~sum >>> 0, at)
  return part
}

function vhdFooter(type: number, change: Change = () => {}): Buffer {
  const footer = Buffer.alloc(SECTOR)
  footer.write('conectix', 0, 'latin1')
  footer.writeUInt32BE(2, 8)
  footer.writeUInt32BE(0x1_0000, 12)
  footer.writeBigUInt64BE(type === 2 ? 0xffff_ffff_ffff_ffffn : 512n, 16)
  footer.write('qem2', 28, 'latin1')
  footer.writeBigUInt64BE(BigInt(VIRTUAL_BYTES), 40)
  footer.writeBigUInt64BE(BigInt(VIRTUAL_BYTES), 48)
  footer.writeUInt16BE(120, 56)
  footer.writeUInt8(4, 58)
  footer.writeUInt8(17, 59)
  footer.writeUInt32BE(type, 60)
  change(footer)
  return seal(footer, 64)
}

const fixedVhd = (): Buffer => Buffer.concat([Buffer.alloc(VIRTUAL_BYTES), vhdFooter(2)])

function dynamicVhd(change: { readonly footer?: Change; readonly header?: Change } = {}): Buffer {
  const footer = vhdFooter(3, change.footer)
  const header = Buffer.alloc(1024)
  header.write('cxsparse', 0, 'latin1')
  header.writeBigUInt64BE(0xffff_ffff_ffff_ffffn, 8)
  header.writeBigUInt64BE(1536n, 16)
  header.writeUInt32BE(0x1_0000, 24)
  header.writeUInt32BE(2, 28)
  header.writeUInt32BE(2 * 1024 * KB, 32)
  change.header?.(header)
  return Buffer.concat([footer, seal(header, 36), Buffer.alloc(SECTOR, 0xff), footer])
}

function vhdx(change: Change = () => {}): Buffer {
  const image = Buffer.alloc(1024 * KB + 128 * KB)
  const metadata = 1024 * KB
  image.write('vhdxfile', 0, 'latin1')
  for (const at of [64 * KB, 128 * KB]) image.write('head', at, 'latin1')
  image.write('regi', 192 * KB, 'latin1')
  image.writeUInt32LE(1, 192 * KB + 8)
  image.write('06a27c8b90479a4bb8fe575f050f886e', 192 * KB + 16, 'hex')
  image.writeBigUInt64LE(BigInt(metadata), 192 * KB + 32)
  image.writeUInt32LE(128 * KB, 192 * KB + 40)
  image.write('metadata', metadata, 'latin1')
  image.writeUInt16LE(2, metadata + 10)
  const items = [
    ['3767a1ca36fa434db3b633f0aa44e76b', 64 * KB],
    ['2442a52f1bcd7648b2115dbed83bf4b8', 64 * KB + 8],
  ] as const
  for (const [index, [guid, offset]] of items.entries()) {
    image.write(guid, metadata + 32 * (index + 1), 'hex')
    image.writeUInt32LE(offset, metadata + 32 * (index + 1) + 16)
    image.writeUInt32LE(8, metadata + 32 * (index + 1) + 20)
  }
  image.writeUInt32LE(1024 * KB, metadata + 64 * KB)
  image.writeBigUInt64LE(BigInt(VIRTUAL_BYTES), metadata + 64 * KB + 8)
  change(image)
  return image
}

const iso = (): Buffer =>
  changed(Buffer.alloc(64 * KB), (image) => {
    image.write('\x01CD001\x01', 32 * KB, 'latin1')
    image.write('\xffCD001\x01', 34 * KB, 'latin1')
  })

const partitioned = (): Buffer =>
  changed(Buffer.alloc(64 * KB), (image) => {
    image.writeUInt8(0x80, 446)
    image.writeUInt8(0x83, 450)
    image.writeUInt16LE(0xaa55, 510)
  })

export const usableSamples = (): readonly (Sample & { readonly virtualBytes: number })[] => [
  { name: 'raw', declared: 'raw', bytes: partitioned(), virtualBytes: 64 * KB },
  { name: 'ami', declared: 'ami', bytes: partitioned(), virtualBytes: 64 * KB },
  { name: 'iso', declared: 'iso', bytes: iso(), virtualBytes: 64 * KB },
  { name: 'qcow2', declared: 'qcow2', bytes: qcow2(), virtualBytes: VIRTUAL_BYTES },
  {
    name: 'qcow2 of version 2',
    declared: 'qcow2',
    bytes: changed(qcow2(), (image) => image.writeUInt32BE(2, 4)),
    virtualBytes: VIRTUAL_BYTES,
  },
  { name: 'vmdk', declared: 'vmdk', bytes: vmdk(), virtualBytes: VIRTUAL_BYTES },
  { name: 'vmdk, streamOptimized', declared: 'vmdk', bytes: streamOptimized(), virtualBytes: VIRTUAL_BYTES },
  { name: 'vdi', declared: 'vdi', bytes: vdi(), virtualBytes: VIRTUAL_BYTES },
  { name: 'vhd, fixed', declared: 'vhd', bytes: fixedVhd(), virtualBytes: VIRTUAL_BYTES },
  { name: 'vhd, dynamic', declared: 'vhd', bytes: dynamicVhd(), virtualBytes: VIRTUAL_BYTES },
  { name: 'vhdx', declared: 'vhdx', bytes: vhdx(), virtualBytes: VIRTUAL_BYTES },
]

/** One for each reason. */
export function refusedSamples(): readonly RefusedSample[] {
  const sample = (declared: string, name: string, bytes: Buffer, reason: RegExp): RefusedSample => ({
    name: `${declared}: ${name}`,
    declared,
    bytes,
    reason,
  })
  const bad = (name: string, change: Change, reason: RegExp) => sample('qcow2', name, changed(qcow2(), change), reason)
  const badVmdk = (name: string, change: Change, reason: RegExp) =>
    sample('vmdk', name, changed(vmdk(), change), reason)
  const described = (name: string, from: string, to: string, reason: RegExp) =>
    sample('vmdk', name, vmdk(DESCRIPTOR.replace(from, to)), reason)
  const badVdi = (name: string, change: Change, reason: RegExp) => sample('vdi', name, changed(vdi(), change), reason)
  const badVhd = (name: string, change: Parameters<typeof dynamicVhd>[0], reason: RegExp) =>
    sample('vhd', name, dynamicVhd(change), reason)
  const badVhdx = (name: string, change: Change, reason: RegExp) => sample('vhdx', name, vhdx(change), reason)
  const masked = (name: string, bytes: Buffer) =>
    sample('raw', `really ${name}`, bytes, new RegExp(`but it is ${name}`))
  const text = (content: string, length = 64 * KB) =>
    changed(Buffer.alloc(length), (image) => image.write(content, 'latin1'))

  return [
    bad('backing file', (i) => { i.writeBigUInt64BE(512n, 8); i.writeUInt32BE(11, 16); i.write('/etc/shadow', 512) }, /backing file/),
    bad('external data file', (i) => i.writeBigUInt64BE(4n, 72), /external data file/),
    bad('external data file that is only named', (i) => { i.writeUInt32BE(0x44415441, 104); i.writeUInt32BE(8, 108); i.write('/dev/sda', 112) }, /external data file/),
    bad('unknown feature', (i) => i.writeBigUInt64BE(1n << 40n, 72), /features that are not known/),
    bad('corrupt', (i) => i.writeBigUInt64BE(2n, 72), /corrupt/),
    bad('unknown compression', (i) => { i.writeBigUInt64BE(8n, 72); i.writeUInt32BE(112, 100); i.writeUInt8(7, 104) }, /compression/),
    bad('encrypted', (i) => i.writeUInt32BE(2, 32), /encrypted/),
    bad('version 7', (i) => i.writeUInt32BE(7, 4), /version 7/),
    bad('tiny clusters', (i) => i.writeUInt32BE(3, 20), /clusters of 2\^3/),
    bad('giant clusters', (i) => i.writeUInt32BE(63, 20), /clusters of 2\^63/),
    bad('header longer than a cluster', (i) => i.writeUInt32BE(8192, 100), /header of 8192/),
    bad('wide reference counts', (i) => i.writeUInt32BE(7, 96), /reference counts/),
    bad('absurd size', (i) => i.writeBigUInt64BE(1n << 62n, 24), /virtual size/),
    bad('huge L1 table', (i) => i.writeUInt32BE(0x7fff_ffff, 36), /L1 table of 2147483647/),
    bad('L1 table too small', (i) => i.writeUInt32BE(1, 36), /too small/),
    bad('L1 table beyond the end', (i) => i.writeBigUInt64BE(1n << 40n, 40), /L1 table lies beyond/),
    bad('L1 table in the header', (i) => i.writeBigUInt64BE(8n, 40), /begin at a cluster/),
    bad('huge refcount table', (i) => i.writeUInt32BE(0xffff_ffff, 56), /refcount table is too large/),
    bad('absurd count of snapshots', (i) => i.writeUInt32BE(4_000_000, 60), /4000000 snapshots/),
    bad('snapshots beyond the end', (i) => { i.writeUInt32BE(1, 60); i.writeBigUInt64BE(1n << 30n, 64) }, /snapshots lies beyond/),
    bad('extension cut short', (i) => { i.writeUInt32BE(1, 104); i.writeUInt32BE(0xffff_ffff, 108) }, /extension/),
    sample('qcow2', 'header cut short', qcow2().subarray(0, 90), /cut short/),
    sample('qcow2', 'nothing but a mark', qcow2().subarray(0, 4), /cut short/),
    sample('qcow2', 'plain text', text('this is no disk'), /declared as qcow2, but it is not/),
    sample('qcow2', 'a CD too', changed(Buffer.concat([qcow2(), iso()]), (i) => iso().copy(i, 32 * KB, 32 * KB)), /qcow2 and iso at once/),
    sample('qcow2', 'a vhd too', Buffer.concat([qcow2(), vhdFooter(2)]), /qcow2 and vhd at once/),

    masked('qcow2', qcow2()),
    masked('vmdk', vmdk()),
    masked('vmdk', text(DESCRIPTOR)),
    masked('vdi', vdi()),
    masked('vhd', fixedVhd()),
    masked('vhdx', vhdx()),
    masked('iso', iso()),
    masked('luks', text('LUKS\xba\xbe\0\x01')),
    masked('qed', text('QED\0')),
    masked('ploop', text('WithoutFreeSpace')),
    masked('dmg', changed(Buffer.alloc(64 * KB), (i) => i.write('koly', 64 * KB - 512))),
    sample('ami', 'really qcow2', qcow2(), /declared as ami, but it is qcow2/),
    sample('iso', 'really raw', partitioned(), /declared as iso, but it is not/),
    sample('iso', 'a qcow2 too', changed(iso(), (i) => qcow2().copy(i, 0, 0, 512)), /qcow2 and iso at once/),
    sample('ploop', 'not looked into', text('WithoutFreeSpace'), /not one that is looked into/),

    sample('vmdk', 'a list of other files', text(DESCRIPTOR.replace('SPARSE "sample.vmdk"', 'FLAT "/etc/shadow" 0'), 1024), /other files/),
    sample('vmdk', 'an old kind', text('COWD'), /kind of vmdk is not allowed/),
    badVmdk('no size', (i) => i.writeBigUInt64LE(0n, 12), /no size/),
    badVmdk('absurd size', (i) => i.writeBigUInt64LE(1n << 50n, 12), /limit/),
    badVmdk('unknown version', (i) => i.writeUInt32LE(9, 4), /version 9/),
    badVmdk('changed on its way', (i) => i.write('\n \n\n', 73), /changed on its way/),
    badVmdk('no descriptor', (i) => i.writeBigUInt64LE(0n, 28), /no descriptor/),
    badVmdk('descriptor beyond the end', (i) => i.writeBigUInt64LE(1n << 30n, 28), /descriptor lies beyond/),
    badVmdk('huge descriptor', (i) => i.writeBigUInt64LE(1n << 30n, 36), /descriptor is too large/),
    badVmdk('parent behind a zero byte', (i) => i.write('parentFileNameHint="/etc/shadow"', 4096), /parent/),
    described('a parent', 'CID=', 'parentFileNameHint="/etc/shadow"\nCID=', /parent/),
    described('flat', 'monolithicSparse', 'monolithicFlat', /"monolithicFlat" is not allowed/),
    described('of a kind that is not on the list', 'monolithicSparse', 'fancy', /"fancy" is not allowed/),
    described('of two kinds', 'CID=', 'createType="vmfs"\nCID=', /which kind/),
    described('flat extent', 'SPARSE "sample.vmdk"', 'FLAT "disk.bin" 0', /in another file/),
    described('extent with a path', '"sample.vmdk"', '"/etc/shadow"', /path/),
    described('two extents', 'RW 8192', 'RW 8192 SPARSE "other.vmdk"\nRW 8192', /2 extents/),
    sample('vmdk', 'footer cut off', streamOptimized().subarray(0, -1536), /footer is missing/),
    sample('vmdk', 'footer of another size', changed(streamOptimized(), (i) => i.writeBigUInt64LE(5n, 64 * KB + SECTOR + 12)), /not what its header says/),
    sample('vmdk', 'header cut short', vmdk().subarray(0, 60), /cut short/),

    badVdi('standing on another', (i) => i.write('00112233', 0x1a8, 'hex'), /stands on another/),
    badVdi('differencing', (i) => i.writeUInt32LE(4, 76), /kind of vdi/),
    badVdi('absurd size', (i) => i.writeBigUInt64LE(1n << 60n, 0x170), /virtual size/),
    badVdi('too few blocks', (i) => i.writeUInt32LE(1, 0x180), /fewer blocks/),
    badVdi('blocks beyond the end', (i) => i.writeUInt32LE(0xffff_ffff, 0x180), /table of blocks lies beyond/),
    badVdi('odd blocks', (i) => i.writeUInt32LE(1, 0x178), /1 MiB/),
    badVdi('unknown version', (i) => i.writeUInt32LE(2, 68), /version/),
    sample('vdi', 'header cut short', vdi().subarray(0, 100), /cut short/),

    badVhd('differencing', { footer: (i) => i.writeUInt32BE(4, 60) }, /stands on another/),
    badVhd('a parent', { header: (i) => i.write('/\0e\0t\0c', 65) }, /stands on another/),
    badVhd('absurd size', { footer: (i) => i.writeBigUInt64BE(1n << 60n, 48) }, /virtual size/),
    badVhd('too few blocks', { header: (i) => i.writeUInt32BE(1, 28) }, /fewer blocks/),
    badVhd('blocks beyond the end', { header: (i) => i.writeUInt32BE(0xffff_ffff, 28) }, /table of blocks lies beyond/),
    badVhd('odd blocks', { header: (i) => i.writeUInt32BE(3, 32) }, /blocks of 3/),
    sample('vhd', 'wrong checksum', changed(dynamicVhd(), (i) => i.writeUInt8(1, i.length - 1)), /checksum/),
    sample('vhd', 'head unlike its footer', Buffer.concat([dynamicVhd().subarray(0, -512), vhdFooter(2)]), /not what its footer says/),
    sample('vhd', 'cut short', fixedVhd().subarray(1024 * KB), /cut short/),

    badVhdx('a parent', (i) => i.writeUInt32LE(2, 1024 * KB + 64 * KB + 4), /stands on another/),
    badVhdx('changes in its log', (i) => i.write('0011', 64 * KB + 48, 'hex'), /log/),
    badVhdx('absurd size', (i) => i.writeBigUInt64LE(1n << 60n, 1024 * KB + 64 * KB + 8), /virtual size/),
    badVhdx('no metadata', (i) => i.writeUInt32LE(0, 192 * KB + 8), /metadata are missing/),
    badVhdx('absurd count of regions', (i) => i.writeUInt32LE(0xffff_ffff, 192 * KB + 8), /regions cannot be true/),
    badVhdx('absurd count of items', (i) => i.writeUInt16LE(0xffff, 1024 * KB + 10), /metadata cannot be true/),
    badVhdx('metadata beyond the end', (i) => i.writeBigUInt64LE(1n << 40n, 192 * KB + 32), /metadata lies beyond/),
    sample('vhdx', 'cut short', vhdx().subarray(0, 100 * KB), /cut short/),
  ] // prettier-ignore
}
