/** Pieces of the packet filter's language. */
export interface Chain {
  readonly name: string
  readonly statements: readonly string[]
}

/** A set or map; an empty one may not say so. */
export const named = (what: string, type: string, elements: readonly string[]): string =>
  `  ${what} {\n    ${type};${elements.length === 0 ? '' : `\n    elements = { ${elements.join(', ')} };`}\n  }`

export const chain = ({ name, statements }: Chain): string =>
  `  chain ${name} {\n    ${statements.join('\n    ')}\n  }\n`
