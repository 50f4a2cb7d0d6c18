/** What SQL cannot say of a list's filter: a predicate over rows, and which columns it looks at. */
import { isoSeconds } from '@kilonova/base/clock.ts'
import type { Address } from '../domain/server.ts'
import { expressionOf, likeOf } from './expression.ts'
import type { Column, ListedRow, ServerFilter } from './server-list.ts'

const TIMES = new Set<string>(['created_at', 'launched_at', 'terminated_at'])

export interface Test {
  readonly holds: (row: ListedRow) => boolean
  /** What it looks at. */
  readonly columns: readonly Column[]
}

/** Undefined when there is nothing of it. Errors: NovaError BadRequest for a bad expression. */
export async function testOf(filter: ServerFilter): Promise<Test | undefined> {
  const { name, found: inColumns = {}, ip, ip6, metadata } = filter
  const tests: ((row: ListedRow) => boolean)[] = []
  const columns = new Set<Column>()
  const addressed = async (version: number, expression: string) => {
    const found = await expressionOf(expression)
    columns.add('addresses')
    return ({ addresses }: ListedRow) =>
      (JSON.parse(addresses) as Address[]).some(
        ({ address, type, version: own }) => type !== 'floating' && own === version && found(address),
      )
  }
  if (name !== undefined && likeOf(name) === undefined) {
    const found = await expressionOf(name)
    columns.add('name')
    tests.push((row) => found(row.name))
  }
  for (const [column, expression] of Object.entries(inColumns)) {
    const found = await expressionOf(expression)
    columns.add(column as Column)
    tests.push((row) => {
      const value = row[column as Column]
      return (
        value !== null &&
        found(TIMES.has(column) ? isoSeconds(Number(value)).replace('T', ' ').replace('Z', '') : String(value))
      )
    })
  }
  if (ip !== undefined && likeOf(ip) === undefined) tests.push(await addressed(4, ip))
  if (ip6 !== undefined && likeOf(ip6) === undefined) tests.push(await addressed(6, ip6))
  if (metadata) {
    columns.add('metadata')
    tests.push((row) => {
      const has = JSON.parse(row.metadata) as Record<string, string>
      return Object.entries(metadata).every(([key, value]) => has[key] === value)
    })
  }
  if (tests.length === 0) return undefined
  return { holds: (row) => tests.every((test) => test(row)), columns: [...columns] }
}
