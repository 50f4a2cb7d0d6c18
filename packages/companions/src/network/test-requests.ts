/** For tests: requests to the network service whose outcome is expected, in one line each. */
import assert from 'node:assert/strict'
import type { Person } from '../test-cloud.ts'

export type View = Readonly<Record<string, unknown>> & { readonly id: string }

/** `/v2.0/security-groups` -> `security_group`. */
const nounOf = (path: string): string => (path.split(/[/?]/)[0] ?? '').replaceAll('-', '_').replace(/s$/, '')
const firstOf = (body: unknown): unknown => Object.values(body as object)[0]

/** Makes one: `make(demo, 'routers', { name: 'r' })`. */
export async function make(person: Person, path: string, fields: object): Promise<View> {
  const { status, body } = await person.call('POST', `/v2.0/${path}`, { [nounOf(path)]: fields })
  assert.equal(status, 201, JSON.stringify(body))
  return firstOf(body) as View
}

export async function get(person: Person, path: string): Promise<View> {
  const { status, body } = await person.call('GET', `/v2.0/${path}`)
  assert.equal(status, 200, JSON.stringify(body))
  return firstOf(body) as View
}

export async function list(person: Person, path: string): Promise<readonly View[]> {
  const { status, body } = await person.call('GET', `/v2.0/${path}`)
  assert.equal(status, 200, JSON.stringify(body))
  return firstOf(body) as View[]
}

export async function update(person: Person, path: string, fields: object): Promise<View> {
  const { status, body } = await person.call('PUT', `/v2.0/${path}`, { [nounOf(path)]: fields })
  assert.equal(status, 200, JSON.stringify(body))
  return firstOf(body) as View
}

export async function remove(person: Person, path: string): Promise<void> {
  const { status, body } = await person.call('DELETE', `/v2.0/${path}`)
  assert.equal(status, 204, JSON.stringify(body))
}

/** `409 RouterInUse`. A body is wrapped in its noun. */
export async function refusal(
  person: Person,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  fields?: object,
): Promise<string> {
  const { status, body } = await person.call(method, `/v2.0/${path}`, fields && { [nounOf(path)]: fields })
  const { type = '?' } = (body as { NeutronError?: { type?: string } } | undefined)?.NeutronError ?? {}
  return `${status} ${type}`
}

export interface Inside {
  readonly network: View
  readonly subnet: View
}

/** A network with one subnet. */
export async function block(person: Person, cidr: string, fields: object = {}): Promise<Inside> {
  const network = await make(person, 'networks', fields)
  const subnet = await make(person, 'subnets', { network_id: network.id, ip_version: cidr.includes(':') ? 6 : 4, cidr })
  return { network, subnet }
}

export const addresses = (port: View): readonly string[] =>
  (port['fixed_ips'] as { ip_address: string }[]).map((ip) => ip.ip_address)
