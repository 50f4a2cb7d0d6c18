/** What the contract cases run against: the fake or a real libvirtd, reached in the same way. */
import type { TestContext } from 'node:test'
import type { Client, ConnectOptions } from '../src/client.ts'
import type { ErrorName } from '../src/errors.ts'

export interface ContractTarget {
  readonly name: string
  /** A new connection to a hypervisor that is free for this test. */
  connect(options?: ConnectOptions): Promise<Client>
  /** XML of a small domain of this hypervisor that starts, with a serial console where it has streams. */
  domainXml(name: string, uuid?: string): string
  /** A directory for a storage pool, removed after the test. */
  poolDirectory(t: TestContext): Promise<string>
  /** How it answers for a network that is not there. */
  readonly missingNetwork: ErrorName
}
