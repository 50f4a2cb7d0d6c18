/** What a neighbour's refusal becomes: the statuses that an operation foresees, in its own words where it has some. The rest is said in faults.ts. */
import { RefusedError } from '../clients/neighbour.ts'
import { ApiFault } from './faults.ts'

/** By status, or by status and the neighbour's type (`409 OverQuota`): the status to answer, perhaps with other words. */
export type Foreseen = Readonly<Record<string, number | readonly [number, string | ((theirs: string) => string)]>>

export async function foreseeing<T>(foreseen: Foreseen, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error
    const known = foreseen[`${error.status} ${error.type}`] ?? foreseen[error.status]
    if (known === undefined) throw error
    const [status, text] = typeof known === 'object' ? known : [known, error.message]
    throw new ApiFault(status, typeof text === 'string' ? text : text(error.message), {}, { cause: error })
  }
}
