/**
 * What guests of routed and external networks may reach of the machine itself: nothing but answers. Their wires end in the root namespace, where
 * otherwise whatever listens on all addresses would serve them, and where the machine may forward to networks that are its own business.
 * One table of ours, and only for packets that come in over our links; it drops and never accepts for others, so the machine's own
 * firewall stays what it is.
 */
import { writeFileSync } from 'node:fs'
import { run } from './command.ts'
import type { Names } from './names.ts'

/**
 * Before the machine's own filters (priority 0), which need not know of our links. `beyond`: guests reach what the machine reaches, under its
 * addresses; not each other this way, and nothing that it serves.
 */
export function hostFilter({ hostTable, linkPrefixes }: Names, beyond: boolean): string {
  const ours = `"${linkPrefixes.uplink}*"`
  const drops = (hook: 'input' | 'forward') => `  chain ${hook} {
    type filter hook ${hook} priority -5; policy accept;
    iifname ${ours} ct state established,related accept
${hook === 'forward' && beyond ? `    iifname ${ours} oifname != ${ours} accept\n` : ''}${Object.values(linkPrefixes)
    .map((prefix) => `    iifname "${prefix}*" drop\n`)
    .join('')}  }
`
  return `table inet ${hostTable}
delete table inet ${hostTable}
table inet ${hostTable} {
${drops('input')}${drops('forward')}${
    beyond
      ? `  chain out {
    type nat hook postrouting priority 100; policy accept;
    iifname ${ours} oifname != ${ours} masquerade
  }
`
      : ''
  }}
`
}

export async function applyHostFilter(names: Names, beyond = false): Promise<void> {
  await run('nft', ['-f', '-'], { input: hostFilter(names, beyond) })
  if (beyond) writeFileSync('/proc/sys/net/ipv4/ip_forward', '1')
}

/** Answers what was there. */
export async function removeHostFilter(names: Names): Promise<readonly string[]> {
  const tables = await hostTablesOf(names)
  for (const table of tables) await run('nft', ['delete', 'table', ...table.split(' ')])
  return tables
}

/** Tables of our name, as `<family> <name>`. */
export async function hostTablesOf({ hostTable }: Names): Promise<readonly string[]> {
  const tables = [...(await run('nft', ['list', 'tables'])).matchAll(/^table (\S+ \S+)$/gm)]
  return tables.flatMap(([, table = '']) => (table.endsWith(` ${hostTable}`) ? table : []))
}
