/** The addresses of the networks `private` and `public` must be free on this machine: it gets routes to them. */
export class CidrTakenError extends Error {
  override readonly name = 'CidrTakenError'
  /** Whose value it is: `--private-cidr`. */
  readonly option: string
  constructor(option: string, message: string) {
    super(message)
    this.option = option
  }
}

/** Errors: CidrTakenError when the machine has a route to just these addresses. */
export async function refuseTakenCidr(option: '--private-cidr' | '--public-cidr', cidr: string): Promise<void> {
  const { run } = await import('@kilonova/kilonova/virt/network/command.ts')
  const routes = JSON.parse((await run('ip', ['-j', 'route', 'show', 'exact', cidr])) || '[]') as {
    readonly dev?: string
  }[]
  const [owner] = routes
  if (owner)
    throw new CidrTakenError(option, `this machine has a route to ${cidr} already, over ${owner.dev ?? 'another link'}`)
}
