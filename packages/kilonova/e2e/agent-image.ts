// The demo image with the real QEMU guest agent in it, and what the agent calls to set a password: of this machine's own packages.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { demoImage } from './demo-image.ts'

const AGENT = '/usr/sbin/qemu-ga'
const CHPASSWD = '/usr/sbin/chpasswd'
const LIBRARIES = '/lib/x86_64-linux-gnu'
/** Where the image has its root file system. */
const ROOT_AT = 21 << 20

const START = `#!/bin/sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
until [ -e /dev/vport*p1 ]; do usleep 50000; done
exec ${AGENT} -m virtio-serial -p /dev/vport*p1 -t /run
`
/** The image has no PAM, which it would ask otherwise. */
const WITHOUT_PAM = `#!/bin/sh
exec ${CHPASSWD}.real -c SHA512 "$@"
`
const INITTAB = '::once:/etc/boot/agent\n'

const run = promisify(execFile)

/** The content of a qcow2 file, made in `folder`. */
export async function agentImage(folder: string): Promise<Buffer> {
  const file = (name: string): string => join(folder, name)
  await run('qemu-img', ['convert', '-O', 'raw', await demoImage(), file('disk')])
  const disk = `${file('disk')}?offset=${ROOT_AT}`
  const debugfs = (...args: string[]) => run('/usr/sbin/debugfs', [...args, disk])
  await debugfs('-R', `dump /etc/inittab ${file('inittab')}`)
  await writeFile(file('inittab'), `${readFileSync(file('inittab'), 'utf8')}${INITTAB}`)
  await writeFile(file('start'), START)
  await writeFile(file('chpasswd'), WITHOUT_PAM)
  const { stdout: loaded } = await run('ldd', [AGENT, CHPASSWD])
  const { stdout: there } = await debugfs('-R', `ls -p ${LIBRARIES}`)
  const libraries = [...new Set(loaded.match(/\/lib\/\S+(?= \()/g))].filter(
    (path) => !there.includes(`/${basename(path)}/`),
  )
  const files: readonly (readonly [string, string])[] = [
    ...libraries.map((path) => [path, `${LIBRARIES}/${basename(path)}`] as const),
    [AGENT, AGENT],
    [CHPASSWD, `${CHPASSWD}.real`],
    [file('chpasswd'), CHPASSWD],
    [file('start'), '/etc/boot/agent'],
    [file('inittab'), '/etc/inittab'],
  ]
  const orders = files.flatMap(([from, to]) => [
    ...(to === '/etc/inittab' ? [`rm ${to}`] : []),
    `write ${from} ${to}`,
    `sif ${to} mode 0100755`,
    `sif ${to} uid 0`,
    `sif ${to} gid 0`,
  ])
  await writeFile(file('orders'), `${orders.join('\n')}\n`)
  const { stderr } = await debugfs('-w', '-f', file('orders'))
  if (/not found|No space|error/i.test(stderr)) throw new Error(`debugfs: ${stderr}`)
  await run('qemu-img', ['convert', '-c', '-O', 'qcow2', file('disk'), file('agent.qcow2')])
  return readFileSync(file('agent.qcow2'))
}
