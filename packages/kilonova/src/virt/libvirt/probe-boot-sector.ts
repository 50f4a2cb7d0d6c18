/** The probe's boot sector, made from probe-boot-sector.s beside this file, which says what it does. */

/** QEMU's exit code when the probe came through. */
export const PROBE_EXIT_CODE = 0x55

const SECTOR_BYTES = 512
const SIGNATURE = 0xaa55

const CODE = [
  'fa31c08ed88ec08ed0bc007c0f0116e87c0f20c00c010f22c0ea1e7c080066b810008ed88ec08ed0bc007c00009c6a08',
  '68367c0000cfbf0010000031c0b9000c0000fcf3abc7050010000003200000c7050020000003300000c7050030000083',
  '000000b8200600000f22e0b8001000000f22d8b9800000c00f320d000100000f300f20c024fb0d020000800f22c0ea95',
  '7c0000180031c00fa20f310f57c00f11042500400000bc007c00006a1068007c00009c6a1868bc7c000048cfb02ae6f4',
  'f4ebfd0f1f4400000000000000000000ffff0000009bcf00ffff00000093cf00ffff0000009baf001f00c87c',
].join('')

export function probeBootSector(): Buffer {
  const sector = Buffer.alloc(SECTOR_BYTES)
  sector.write(CODE, 'hex')
  sector.writeUInt16LE(SIGNATURE, SECTOR_BYTES - 2)
  return sector
}
