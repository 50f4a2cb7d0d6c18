/** docs/api-coverage.md, from the registry: which of upstream's methods are served, which can only say that there is nothing, and which are missing. */
import { ACTION_KEYS } from '../resources/server-action.ts'
import { OPERATIONS } from '../resources/index.ts'
import { operationOf, pattern, standingOf, standingOfAction, type Standing } from './measure.ts'
import { MISSING } from './missing.ts'
import { CAPPED, ENDPOINTS, REMOVED, SERVER_ACTIONS } from './upstream.ts'

const INTRO = `# What of the Compute API is served

Made from the registry by \`scripts/generate-docs.ts\`. Measured against every method of upstream, 2.1 to 2.103. **Not available** is what this cloud has not: bodies, states and policies
are checked as upstream checks them, lists are empty, and every id is answered as one that does not exist. What is missing answers 404, an action 400.
`

const shown = (line: string): string => line.replaceAll('*', '…')
const list = (title: string, lines: readonly string[], why: (line: string) => string = () => ''): readonly string[] =>
  lines.length === 0
    ? []
    : [`### ${title} (${lines.length})`, '', ...lines.map((line) => `- \`${shown(line)}\`${why(line)}`), '']

function part(title: string, lines: readonly string[], standing: (line: string) => Standing): string {
  const of = (wanted: Standing) => lines.filter((line) => standing(line) === wanted)
  return [
    `## ${title}: ${lines.length - of('missing').length} of ${lines.length}`,
    '',
    ...list('Served', of('served')),
    ...list(
      'Not available',
      of('not available'),
      (line) => `: there is no ${withoutArticle(operationOf(line)?.lacks)}`,
    ),
    ...list('Missing', of('missing'), (line) => (MISSING[line] === undefined ? '' : `: ${MISSING[line]}`)),
  ].join('\n')
}
const OWN = OPERATIONS.map(pattern).filter((line) => / \/kilonova\//.test(line))
const withoutArticle = (lacks = ''): string => lacks.replace(/^an? /, '')

const OURS = 'kilonova:'
const ADDITIONS = [
  '## Additions',
  '',
  'What upstream has nothing like, under names that it will never use: see [operations.md](operations.md#beyond-nova).',
  '',
  ...OWN.map((line) => `- \`${shown(line)}\``),
  ...ACTION_KEYS.filter((key) => key.startsWith(OURS)).map((key) => `- action \`${key}\``),
  '',
].join('\n')

export const coveragePage = (): string =>
  [
    INTRO,
    part('Methods', ENDPOINTS, standingOf),
    part('Actions on servers', SERVER_ACTIONS, standingOfAction),
    part('Methods that ended before 2.103', CAPPED, standingOf),
    `## Removed: ${REMOVED.length}\n\nThese answer 410 at every version, as upstream does.\n\n${REMOVED.map((line) => `- \`${shown(line)}\``).join('\n')}\n`,
    ADDITIONS,
  ].join('\n')
