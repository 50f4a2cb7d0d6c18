/** The addresses of the network `private` must be free on this machine: it gets a route to them with its first server. */
export class CidrTakenError extends Error {
  override readonly name = 'CidrTakenError'
}

/** Errors: CidrTakenError when the machine has a route to just these addresses. */
export async function refuseTakenCidr(cidr: string): Promise<void> {
  const { run } = await import('@kilonova/kilonova/virt/network/command.ts')
  const routes = JSON.parse((await run('ip', ['-j', 'route', 'show', 'exact', cidr])) || '[]') as {
    readonly dev?: string
  }[]
  const [owner] = routes
  if (owner)
    throw new CidrTakenError(`this machine has a route to ${cidr} already, over ${owner.dev ?? 'another link'}`)
}
