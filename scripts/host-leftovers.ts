// Removes what tests left on the host outside of files and processes: each kind of thing is found and removed by one entry.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const output = (command: string, ...args: string[]): string =>
  spawnSync(command, args, { encoding: 'utf8' }).stdout ?? ''
const worked = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0
const words = (text: string, pattern: RegExp): readonly string[] =>
  [...text.matchAll(pattern)].flatMap(([, word]) => word ?? [])

/** Names and ids on the host that begin as the run's do; the order matters: a namespace takes its links and rules along. */
const NAMED = [
  {
    kind: 'namespace',
    list: () => (existsSync('/run/netns') ? readdirSync('/run/netns') : []),
    remove: (name: string) => worked('ip', 'netns', 'delete', name),
  },
  {
    kind: 'link',
    list: () => readdirSync('/sys/class/net'),
    remove: (name: string) => worked('ip', 'link', 'delete', name),
  },
  {
    kind: 'nft table',
    list: () => words(output('nft', 'list', 'tables'), /^table (\S+ \S+)$/gm),
    beginsIn: (name: string) => name.split(' ')[1] ?? '',
    remove: (name: string) => worked('nft', 'delete', 'table', ...name.split(' ')),
  },
]

// Where a system libvirtd keeps the domains it knows. Their files name the folder, because their disks lie in it.
const DOMAINS = '/etc/libvirt/qemu'

function removeDomains(folder: string): readonly string[] {
  const files = existsSync(DOMAINS) ? readdirSync(DOMAINS).filter((file) => file.endsWith('.xml')) : []
  return files
    .filter((file) => readFileSync(join(DOMAINS, file), 'utf8').includes(`${folder}/`))
    .map((file) => {
      const name = file.slice(0, -'.xml'.length)
      worked('virsh', '-c', 'qemu:///system', 'destroy', name)
      const forget = ['--managed-save', '--snapshots-metadata', '--nvram']
      // Without a libvirtd that knows it, the file is all there is.
      if (!worked('virsh', '-c', 'qemu:///system', 'undefine', ...forget, name))
        rmSync(join(DOMAINS, file), { force: true })
      return `domain ${name}`
    })
}

function unmount(folder: string): readonly string[] {
  const points = words(readFileSync('/proc/self/mountinfo', 'utf8'), /^\S+ \S+ \S+ \S+ (\S+) /gm)
  return points
    .filter((point) => point.startsWith(`${folder}/`) && worked('umount', '--lazy', point))
    .map((point) => `mount ${point}`)
}

/** What an installation names links and namespaces by: `kn` a namespace, the others ends of wires. */
const KINDS = ['kn', 'kt', 'kv', 'kr']

type Marks = {
  readonly folder: string
  readonly beginnings: readonly string[]
  readonly installations: readonly string[]
}

/** Answers in words what was there and is gone. Only root can have made such things, so for others there is nothing to do. */
export function removeFromHost({ folder, beginnings, installations }: Marks): readonly string[] {
  if (process.getuid?.() !== 0) return []
  const all = [...beginnings, ...installations.flatMap((id) => KINDS.map((kind) => `${kind}${id}`))]
  const named = NAMED.flatMap(({ kind, list, remove, beginsIn = (name: string) => name }) =>
    list()
      .filter((name) => all.some((beginning) => beginsIn(name).startsWith(beginning)) && remove(name))
      .map((name) => `${kind} ${name}`),
  )
  const runtime = installations
    .map((id) => `/run/kilonova-${id}`)
    .filter((path) => existsSync(path))
    .map((path) => {
      rmSync(path, { recursive: true, force: true })
      return `folder ${path}`
    })
  return [...removeDomains(folder), ...named, ...runtime, ...unmount(folder)]
}
