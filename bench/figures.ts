/** Figures: medians of several runs, with the bar each must meet; shown as a table for people and as JSON for machines. */
export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** `<= 5`: what the issue that asked for it wants. */
  readonly bar?: { readonly at: 'most' | 'least'; readonly value: number }
}

export const atMost = (value: number) => ({ at: 'most' as const, value })
export const atLeast = (value: number) => ({ at: 'least' as const, value })

export const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))] ?? Number.NaN
export const median = (values: readonly number[]): number => quantile(values, 0.5)

const met = ({ value, bar }: Figure): boolean => !bar || (bar.at === 'most' ? value <= bar.value : value >= bar.value)

export function print(figures: readonly Figure[], json: boolean): void {
  if (json)
    return console.log(
      JSON.stringify(
        figures.map((figure) => ({ ...figure, value: round(figure.value), met: met(figure) })),
        undefined,
        1,
      ),
    )
  const rows = figures.map((figure) => [
    figure.name,
    `${round(figure.value)} ${figure.unit}`,
    figure.bar ? `${figure.bar.at === 'most' ? '<=' : '>='} ${figure.bar.value}` : '',
    figure.bar ? (met(figure) ? 'met' : 'MISSED') : '',
  ])
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  for (const row of rows)
    console.log(
      row
        .map((cell, column) => (column === 1 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
}

const round = (value: number): number => Number(value.toPrecision(value >= 1000 ? 5 : 3))
