/** The domain that a thing belongs to: found when it is made, and the same ever after. */
import { invalid, notFound } from '../errors.ts'
import type { Holder } from '../policy.ts'
import type { Db } from './crud.ts'

/** Where a thing is made when the request does not say: in the domain the token is for, or in the default one. */
export const ownDomain = ({ token }: Holder): string => token.domainId ?? token.project?.domain.id ?? 'default'

/** Errors: 404. */
export async function mustBeDomain(db: Db, id: string): Promise<void> {
  const domain = await db.selectFrom('domains').select('id').where('id', '=', id).executeTakeFirst()
  if (!domain) throw notFound('domain', id)
}

/** Errors: 400. */
export function mustStayInDomain(
  row: { readonly domain_id: string },
  wanted: { readonly domain_id?: string | null | undefined },
): void {
  if (wanted.domain_id !== undefined && wanted.domain_id !== row.domain_id) throw invalid('Cannot change Domain ID')
}
