/** A guest with a real QEMU guest agent, from kernel, drivers and busybox of the demo image: boots in seconds without KVM and without a disk. */
import { execFile } from 'node:child_process'
import { chmod, copyFile, cp, glob, mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { demoImage } from '../../../e2e/demo-image.ts'
import type { GuestAgent } from '../contract/qemu-cases.ts'
import type { Client } from '../src/client.ts'
import type { Domain } from '../src/protocol-types.gen.ts'

const AGENT = '/usr/sbin/qemu-ga'
/** Where the image has its partitions. */
const BOOT_AT = '1M'
const ROOT_AT = 21 << 20

/** The first program. It takes orders on its serial line, and says there how things stand: after each, and every second for who comes late. */
const INIT = `#!/bin/sh
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /run /tmp
while read -r module; do insmod "/lib/modules/$module"; done </lib/modules/virtio.list
insmod /lib/modules/virtio_console.ko
exec </dev/ttyS0 >/dev/ttyS0 2>&1
until port=$(ls /dev/vport*p1 2>/dev/null); do usleep 20000; done
state=off
while :; do
  order=
  read -t 1 -r order
  case $order in
    start) ${AGENT} -m virtio-serial -p "$port" -t /run & agent=$!; state=on ;;
    stop) kill "$agent"; wait "$agent"; state=off ;;
  esac
  echo "agent $state"
done
`

const run = promisify(execFile)

export interface AgentGuestFiles {
  readonly kernel: string
  readonly initrd: string
}

/** Makes kernel and initial RAM disk in `directory`. */
export async function agentGuestFiles(directory: string): Promise<AgentGuestFiles> {
  const file = (name: string): string => join(directory, name)
  await run('qemu-img', ['convert', '-O', 'raw', await demoImage(), file('disk')])
  await run('mcopy', ['-n', '-i', `${file('disk')}@@${BOOT_AT}`, '::/vmlinuz', '::/initrd', directory])
  await run('/usr/sbin/debugfs', ['-R', `rdump /lib/modules ${directory}`, `${file('disk')}?offset=${ROOT_AT}`])

  const tree = file('tree')
  await mkdir(join(tree, 'lib/modules'), { recursive: true })
  for await (const module of glob(join(directory, 'modules/**/virtio_console.ko'))) {
    await copyFile(module, join(tree, 'lib/modules', basename(module)))
  }
  const { stdout: libraries } = await run('ldd', [AGENT])
  for (const path of [AGENT, ...(libraries.match(/\/\S+/g) ?? [])]) {
    await mkdir(join(tree, dirname(path)), { recursive: true })
    await cp(path, join(tree, path), { dereference: true })
  }
  await writeFile(join(tree, 'agent-guest'), INIT)
  await chmod(join(tree, 'agent-guest'), 0o755)
  await run('sh', ['-c', 'find . | cpio -o -H newc -R 0:0 --quiet >../ours.cpio'], { cwd: tree })
  // The kernel unpacks one archive after the other into the same tree.
  const [ours, theirs] = await Promise.all([readFile(file('ours.cpio')), readFile(file('initrd'))])
  await writeFile(file('agent.initrd'), Buffer.concat([ours, theirs]))
  return { kernel: file('vmlinuz'), initrd: file('agent.initrd') }
}

export const agentGuestXml =
  ({ kernel, initrd }: AgentGuestFiles) =>
  (name: string): string =>
    `<domain type='qemu'>
  <name>${name}</name>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>${kernel}</kernel>
    <initrd>${initrd}</initrd>
    <cmdline>rdinit=/agent-guest console=ttyS0 quiet panic=1 mitigations=off nokaslr no_timer_check</cmdline>
  </os>
  <cpu mode='maximum'/>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <serial type='pty'/>
    <console type='pty'/>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <memballoon model='none'/>
  </devices>
</domain>`

/** Orders the guest's agent about on its serial line; resolves when the guest has booted. */
export async function agentOnConsole(client: Client, domain: Domain): Promise<GuestAgent> {
  const { stream } = await client.openStream('domainOpenConsole', { dom: domain })
  // The daemon ends it when the guest stops or is reset, wherever a test then is.
  stream.on('error', () => {})
  const lines = createInterface({ input: stream })[Symbol.asyncIterator]()
  const says = async (text: string): Promise<void> => {
    for (let line = await lines.next(); !line.done; line = await lines.next()) if (line.value.trim() === text) return
    throw new Error('the guest is gone')
  }
  const order = (word: string, outcome: string) => (): Promise<void> => {
    stream.write(`${word}\n`)
    return says(outcome)
  }
  await says('agent off')
  return { start: order('start', 'agent on'), stop: order('stop', 'agent off') }
}
