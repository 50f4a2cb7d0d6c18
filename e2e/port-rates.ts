// What a port is held to on this host, read from the kernel.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { innerLink, type Names } from '@kilonova/kilonova/virt/network/names.ts'

type Rate = number | undefined
const run = promisify(execFile)

async function rateOf(link: string, ...place: readonly string[]): Promise<Rate> {
  const { stdout } = await run('tc', [...place, '-j', 'qdisc', 'show'])
  const all = JSON.parse(stdout) as { kind: string; dev: string; options: { rate?: number } }[]
  return all.find(({ kind, dev }) => kind === 'tbf' && dev === link)?.options.rate
}

/** Inbound and outbound, in bytes a second; undefined: nothing holds it. */
export const ratesOf = (names: Names, networkId: string, portId: string): Promise<readonly [Rate, Rate]> =>
  Promise.all([
    existsSync(names.namespacePath(networkId))
      ? rateOf(innerLink(portId), '-n', names.namespace(networkId))
      : undefined,
    rateOf(names.wire(portId)),
  ])
