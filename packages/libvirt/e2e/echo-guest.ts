/** The smallest guest: a boot sector that says `R` on its serial line until spoken to, then repeats what it hears. No operating system. */

/** 16-bit x86; the comments are its source. */
const CODE = [
  // again: push 'R' out about every 65536 polls, until the first byte is heard
  0xba,
  0xf8,
  0x03, // mov dx, 0x3f8
  0xb0,
  0x52, //       mov al, 'R'
  0xee, //             out dx, al
  0xb9,
  0xff,
  0xff, // mov cx, 0xffff
  0xba,
  0xfd,
  0x03, // poll: mov dx, 0x3fd
  0xec, //             in al, dx
  0xa8,
  0x01, //       test al, 1
  0x75,
  0x04, //       jnz heard
  0xe2,
  0xf6, //       loop poll
  0xeb,
  0xeb, //       jmp again
  0xba,
  0xf8,
  0x03, // heard: mov dx, 0x3f8
  0xec, //             in al, dx
  0xee, //             out dx, al
  0xba,
  0xfd,
  0x03, // wait: mov dx, 0x3fd
  0xec, //             in al, dx
  0xa8,
  0x01, //       test al, 1
  0x74,
  0xf8, //       jz wait
  0xeb,
  0xf1, //       jmp heard
]

/** A floppy image of 1.44 MB that boots it. */
export function echoFloppy(): Buffer {
  const image = Buffer.alloc(1474560)
  image.set(CODE)
  image.set([0x55, 0xaa], 510)
  return image
}

export const echoGuestXml =
  (floppy: string) =>
  (name: string, uuid?: string): string =>
    `<domain type='qemu'>
  <name>${name}</name>${uuid ? `<uuid>${uuid}</uuid>` : ''}
  <memory unit='MiB'>16</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='fd'/></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='floppy'><driver name='qemu' type='raw'/><source file='${floppy}'/><target dev='fda'/><readonly/></disk>
    <controller type='usb' model='piix3-uhci'/>
    <serial type='pty'/>
    <console type='pty'/>
    <video><model type='vga'/></video>
    <memballoon model='none'/>
  </devices>
</domain>`
